"""Runs that fail or end early: wrong answers, errors, servers that hang or are killed, and signals."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from loadtests.report.record import read_record
from loadtests.report.summary import shortcomings
from tests.loadtests.conftest import ENVIRONMENT, IMPATIENT, ROOT, Fake, Outcome, samples_of, serving, start
from tests.loadtests.test_matrix import Load


def test_wrong_answers_under_load_are_found(tokenizer: Path, load: Load) -> None:
    with serving(tokenizer, "lie:40") as fake:
        outcome = load("--host", fake.url, "--quick", "--seconds", "0.3", "--repetitions", "1", "--variants", "dense")
    assert outcome.status == 1
    assert "differ from the reference answers" in outcome.said
    cells = outcome.json()["cells"]
    assert sum(cell["outcomes"].get("wrong answer", 0) for cell in cells) > 10
    assert re.search(r"\| dense \| [\d,]+ \| [1-9]", (outcome.folder / "report.md").read_text())


def test_a_server_that_hangs_ends_the_run(tokenizer: Path, load: Load) -> None:
    """Its process still answers /livez."""
    with serving(tokenizer, "hang:60") as fake:
        outcome = load("--host", fake.url, "--quick", "--seconds", "0.5", "--variants", "dense", impatient=True)
    assert outcome.status == 1
    place = "The server stopped responding at: dense, (closed|open) loop at [0-9.]+, repetition 1"
    assert re.search(place, " ".join(outcome.said.split()))
    record = read_record(outcome.folder / "report.json")
    assert re.match(place, record.ended_early or "")
    assert [cell.server_gone for cell in record.cells] == [False] * (len(record.cells) - 1) + [True]
    assert record.cells[-1].outcomes["no answer"] >= 1
    assert "is incomplete" in (outcome.folder / "report.html").read_text()


@pytest.mark.slow
def test_a_server_killed_in_the_middle_leaves_a_report(tokenizer: Path, texts: Path, tmp_path: Path) -> None:
    with serving(tokenizer) as fake:
        options = ["--host", fake.url, "--variants", "dense", "--quick", "--seconds", "1", "--texts", str(texts)]
        process = start(tmp_path, *options)
        assert process.stdout is not None
        while "closed loop, 1 users" not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(0.7)
        fake.process.send_signal(signal.SIGKILL)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "stopped responding" in said
    record = read_record(tmp_path / "report.json")
    assert record.ended_early is not None
    assert "stopped responding at: dense, " in record.ended_early
    assert [cell.server_gone for cell in record.cells] == [False] * (len(record.cells) - 1) + [True]
    assert record.cells[0].errors == 0
    assert record.cells[-1].outcomes["no answer"] > 0
    assert "is incomplete" in (tmp_path / "report.html").read_text()
    assert samples_of(tmp_path / "samples.csv.gz")


BENTOML = """
import os, sys
from pathlib import Path

# The service asks the real bentoml for its files.
sys.path.remove(str(Path(__file__).parents[1]))
del sys.modules["bentoml"]
from tests.loadtests import fake_service

Path(__file__).with_name("pid").write_text(str(os.getpid()))
fake_service.main(sys.argv[sys.argv.index("--port") + 1], "TOKENIZER")
"""
"""Stands in for bentoml: ``python -m bentoml serve … --port …`` runs the fake service."""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_stops_the_server_and_keeps_what_was_measured(
    name: str, tokenizer: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "bentoml" / "__main__.py"
    module.parent.mkdir()
    module.with_name("__init__.py").touch()
    module.write_text(BENTOML.replace("TOKENIZER", str(tokenizer)))
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    options = ["--variants", "dense", "--seconds", "1", "--wait", "60"]
    process = start(tmp_path / "out", *options, "--texts", str(texts))
    assert process.stdout is not None
    while "closed loop, 1 users" not in (line := process.stdout.readline()):
        assert process.poll() is None, line
    server = psutil.Process(int(module.with_name("pid").read_text()))
    try:
        process.send_signal(getattr(signal, name))
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "error: Interrupted." in said
        assert "Traceback" not in said
        assert not server.is_running()
    finally:
        if server.is_running():
            server.kill()
    record = read_record(tmp_path / "out" / "report.json")
    assert record.ended_early == "Interrupted."
    assert record.cells
    assert (tmp_path / "out" / "report.html").exists()


def test_failed_requests_fail_the_run(tokenizer: Path, load: Load) -> None:
    options = ["--quick", "--seconds", "0.3", "--repetitions", "1", "--variants", "dense"]
    with serving(tokenizer, "fail:60") as fake:
        outcome = load("--host", fake.url, *options)
    assert outcome.status == 1
    cells = outcome.json()["cells"]
    failed = sum(cell["outcomes"].get("status 500", 0) for cell in cells)
    assert failed > 10
    total = sum(cell["requests"] for cell in cells)
    assert f"{failed:,} of {total:,} requests failed (status 500: {failed:,}): see the report" in outcome.said
    assert outcome.json()["ended_early"] is None


def test_refusals_fail_a_run_only_where_nothing_else_came(quick: Outcome) -> None:
    record = read_record(quick.folder / "report.json")
    assert shortcomings(record) == []
    cells = [
        cell.model_copy(update={"outcomes": {"status 429": 9}}) if cell.subject == "dense" else cell
        for cell in record.cells
    ]
    (found,) = shortcomings(record.model_copy(update={"cells": cells}))
    assert found.startswith("All requests for dense were refused with 429")
    cells[0].outcomes["status 429"] = cells[-1].outcomes["status 429"] = 9
    assert "dynamic" not in " ".join(shortcomings(record.model_copy(update={"cells": cells})))


# Run in a separate process, because importing locust patches sockets.
LEVEL = f"""{IMPATIENT}
import json, sys
from loadtests.load.service import Service
from loadtests.load.traffic import Plan
from loadtests.report.figures import measured

plan = Plan(["dense"], ["text"], {{"dense": [[]]}}, "1", warm_up=0.3, seconds=0.5)
stretch = generator.Generator(Service(sys.argv[1])).run(plan, 2)
print(json.dumps([measured(stretch.samples, 0.5, closed=True)[:2], stretch.server_gone]))
"""


class Stuck(BaseHTTPRequestHandler):
    """Answers /livez, but leaves requests to /ner waiting: all of them, or the first two."""

    hangs_forever = True
    asked = itertools.count()
    over = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        if next(self.asked) < 2 or self.hangs_forever:
            self.over.wait(60)
        self.send_error(500)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("gone", [True, False])
def test_a_request_that_hangs_since_the_warm_up_counts(gone: bool) -> None:
    """It is the only one of its user. The server is gone if the same request gets no answer afterwards either."""

    class Handler(Stuck):
        hangs_forever, asked, over = gone, itertools.count(), threading.Event()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [sys.executable, "-c", LEVEL, f"http://127.0.0.1:{server.server_port}"]
        answer = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
        Handler.over.set()
        server.shutdown()
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == [[2, {"no answer": 2}], gone]


def test_what_cannot_be_written_is_refused_before_anything_is_measured(fake: Fake, load: Load, tmp_path: Path) -> None:
    (tmp_path / "some.folder").mkdir()
    (tmp_path / "report.json").mkdir()
    outcome = load("--host", fake.url, "--quick")
    assert outcome.status == 1
    assert "cannot be the output folder: report.json in it is a folder. Pass another with --out." in outcome.said
    assert "answers/s" not in outcome.said
