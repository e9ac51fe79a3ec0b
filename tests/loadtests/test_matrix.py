"""The matrix end to end against a fake service: what is written, and what is said where something is wrong."""

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from loadtests.report.compare import compare
from loadtests.report.record import read_record
from loadtests.report.summary import summarise
from tests.loadtests.conftest import ENVIRONMENT, ROOT, Fake, Outcome, run, samples_of, serving

Load = Callable[..., Outcome]


def test_a_quick_run_writes_its_report_in_every_form(quick: Outcome) -> None:
    assert quick.status == 0, quick.said
    record = read_record(quick.folder / "report.json")
    assert record.ended_early is None
    assert record.subjects == ["dense", "dynamic", "mixed"]
    assert all(cell.errors == 0 for cell in record.cells if cell.pattern == "closed")
    assert record.service["max_in_flight"] == "64"
    assert record.variants["dense"].test_f1 == 0.7
    page = (quick.folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    # One page, nothing fetched from anywhere.
    assert not re.findall(r'(?:src|href)="(?!#)', page.replace('xlink:href="#', ""))
    table = (quick.folder / "report.md").read_text(encoding="utf-8")
    for row in summarise(record):
        assert row.best_rate is not None, row.rates_sought
        least = "at least " if row.best_rate_at_least else ""
        assert f"| {row.subject} | {least}{row.best_rate.median:.1f}" in table
        assert f"{row.best_rate.median:.1f}" in page
        if row.best_rate.median:
            assert row.cost_per_million == pytest.approx(0.5 / 3600 / row.best_rate.median * 1e6)


def test_the_raw_samples_are_those_of_the_report(quick: Outcome) -> None:
    record = read_record(quick.folder / "report.json")
    samples = samples_of(quick.folder / "samples.csv.gz")
    assert set(samples[0]) >= {"subject", "pattern", "level", "repetition", "intended", "started", "ended", "outcome"}
    for cell in record.cells:
        mine = [
            sample
            for sample in samples
            if all(sample[column] == str(value) for column, value in cell.columns.items())
            and (
                0 <= float(sample["intended"]) < cell.seconds
                # In flight when the warm-up ended.
                or (cell.pattern == "closed" and float(sample["intended"]) < 0 < float(sample["ended"]))
            )
        ]
        assert len(mine) == cell.requests
        assert cell.times.response is not None
        longest = max(1000 * (float(sample["ended"]) - float(sample["intended"])) for sample in mine)
        assert cell.times.response.p999 <= longest + 1e-6
    assert all(float(sample["started"]) >= float(sample["intended"]) - 1e-6 for sample in samples)
    assert {sample["variant"] for sample in samples if sample["subject"] == "mixed"} == {"dense", "dynamic"}


def test_the_variants_go_in_random_order(quick: Outcome) -> None:
    cells = read_record(quick.folder / "report.json").cells
    orders = [
        tuple(dict.fromkeys(cell.subject for cell in cells if cell.repetition == repetition)) for repetition in (1, 2)
    ]
    assert sorted(orders[0]) == sorted(orders[1]) == ["dense", "dynamic", "mixed"]
    assert orders[0] != orders[1]


def test_a_bound_that_no_rate_keeps_is_no_number(fake: Fake, load: Load, texts: Path) -> None:
    options = ["--quick", "--seconds", "0.3", "--repetitions", "1", "--variants", "dense", "--bound", "0.001"]
    outcome = load("--host", fake.url, *options)
    assert outcome.status == 0, outcome.said
    open_loop = [cell["level"] for cell in outcome.json()["cells"] if cell["pattern"] == "open"]
    assert len(open_loop) > 1
    assert open_loop == sorted(open_loop, reverse=True)
    row = rf"\| dense \| none found in 1 of 1 repetitions, down to {open_loop[-1]:g}/s \|"
    for name in ("report.md", "report.html"):
        text = (outcome.folder / name).read_text(encoding="utf-8")
        assert "none found in 1 of 1 repetitions" in text
        assert name != "report.md" or re.search(row, text)
    record = read_record(outcome.folder / "report.json")
    assert compare(record, record, 0.1).differences == [
        f"dense {word}: no rate inside the bound to compare"
        f" (none found in 1 of 1 repetitions, down to {open_loop[-1]:g}/s)"
        for word in ("before", "after")
    ]


def test_labelled_texts_are_sent_without_their_labels(fake: Fake, tmp_path: Path) -> None:
    file = tmp_path / "swa" / "test.txt"
    file.parent.mkdir()
    file.write_text("Katika O\nNairobi B-LOC\n\nRuto I-PER\nyuko O\n", encoding="utf-8")
    options = ["--quick", "--seconds", "0.2", "--repetitions", "1", "--variants", "dense", "--texts", str(file)]
    outcome = run(tmp_path / "out", "--host", fake.url, *options)
    assert outcome.status == 0, outcome.said
    settings = outcome.json()["settings"]
    assert (settings["documents"], settings["mean_characters"]) == (2, (len("Katika Nairobi") + len("Ruto yuko")) / 2)


@pytest.fixture(scope="module")
def failed(tokenizer: Path) -> Iterator[Fake]:
    """A service with one variant that could not be loaded."""
    with serving(tokenizer, "failed") as running:
        yield running


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--variants", "dense,nope"], 1, "There is no variant 'nope'. The server has: dense,"),
        (["--variants", "pruned"], 1, "pruned is failed: pruned could not be loaded"),
        (["--bound", "0"], 2, "0 is not greater than 0"),
        (["--texts", "/dev/null"], 1, "/dev/null has no text"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_refused_in_a_line(
    failed: Fake, load: Load, arguments: list[str], status: int, message: str
) -> None:
    outcome = load("--host", failed.url, "--quick", *arguments)
    assert outcome.status == status, outcome.said
    assert message in outcome.said.replace("\n", " ")
    assert "Traceback" not in outcome.said


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("http://127.0.0.1:9", "No server responds at http://127.0.0.1:9"),
        ("http://a..b", "'http://a..b' is not an HTTP URL"),
        ("ftp://x", "'ftp://x' is not an HTTP URL"),
        ("http://127.0.0.1:99999", "is not an HTTP URL (Port out of range"),
        ("http://127.0.0.1:abc", "is not an HTTP URL (Port could not be cast"),
        ("http://[::1", "is not an HTTP URL (Invalid IPv6 URL)"),
    ],
)
def test_a_server_that_is_not_there(load: Load, host: str, message: str) -> None:
    outcome = load("--host", host, "--quick")
    assert outcome.status == 1
    assert message in outcome.said
    assert "Traceback" not in outcome.said


class Page(BaseHTTPRequestHandler):
    """A web server that is no Kidogo: it answers everything with a page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>Welcome</title>")

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_of_something_else(load: Load) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        outcome = load("--host", f"http://127.0.0.1:{server.server_port}", "--quick")
        server.shutdown()
    assert outcome.status == 1
    assert "/variants returned no list of variants: is this a Kidogo server?" in outcome.said
    assert "Traceback" not in outcome.said


def test_a_server_that_is_not_ready(tokenizer: Path, load: Load) -> None:
    with serving(tokenizer, "loading", ready=False) as fake:
        outcome = load("--host", fake.url, "--quick", "--wait", "0.5")
    assert outcome.status == 1
    assert "is not ready after 0.5 s" in outcome.said
    assert '"dynamic":"loading"' in outcome.said


def test_a_server_with_a_token(tokenizer: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, "NER_TOKEN", "0123456789abcdef")
    options = ["--quick", "--seconds", "0.3", "--repetitions", "1", "--variants", "dense", "--texts", str(texts)]
    with serving(tokenizer) as fake:
        outcome = run(tmp_path / "with", "--host", fake.url, *options)
        monkeypatch.delitem(ENVIRONMENT, "NER_TOKEN")
        refused = run(tmp_path / "without", "--host", fake.url, *options)
    assert outcome.status == 0, outcome.said
    assert refused.status == 1
    assert "requires a token: set NER_TOKEN to it" in " ".join(refused.said.split())


def test_help_is_complete() -> None:
    for command in ([], ["soak"]):
        arguments = [sys.executable, "-m", "loadtests", *command, "--help"]
        answer = subprocess.run(arguments, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True)
        assert "Usage: python -m loadtests" in answer.stdout
        assert command or "Examples" in answer.stdout
