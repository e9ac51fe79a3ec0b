"""Locust's own command with our locustfile: alone, as an open loop, and with two workers."""

import itertools
import socket
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from service.variants import VARIANTS
from tests.loadtests.conftest import ENVIRONMENT, ROOT, Fake, samples_of, serving

LOCUST = [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py"]


def start_locust(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*LOCUST, *arguments], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def locust(url: str, texts: Path, samples: Path, *arguments: str) -> list[dict[str, str]]:
    """Run headless and return the samples."""
    process = start_locust(*("--headless", "--host", url, "--texts", str(texts), "--samples", str(samples), *arguments))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return samples_of(samples)


def test_alone_it_asks_all_variants_and_checks_their_answers(fake: Fake, texts: Path, tmp_path: Path) -> None:
    samples = locust(fake.url, texts, tmp_path / "samples.csv.gz", "-u", "4", "-r", "4", "-t", "2s")
    assert len(samples) > 20
    assert {sample["outcome"] for sample in samples} == {"ok"}
    assert {sample["variant"] for sample in samples} == set(VARIANTS)


def test_wrong_answers_make_it_fail(tokenizer: Path, texts: Path, tmp_path: Path) -> None:
    with serving(tokenizer, "lie:30") as fake:
        process = start_locust(
            *("--headless", "--host", fake.url, "--texts", str(texts), "--variants", "dense", "-u", "2", "-t", "2s")
        )
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "wrong answer" in said


def test_a_stall_counts_for_every_request_that_was_due_in_it(tokenizer: Path, texts: Path, tmp_path: Path) -> None:
    """A closed loop hides a stall: only who asks in it sees it. In an open one everybody who was due in it does."""
    with serving(tokenizer, "stall:60") as fake:
        options = ["--variants", "dense", "--rate", "40", "-u", "8", "-r", "8", "-t", "5s"]
        samples = locust(fake.url, texts, tmp_path / "samples.csv.gz", *options)

    def slow(since: str) -> int:
        return sum(1 for sample in samples if float(sample["ended"]) - float(sample[since]) > 0.3)

    # One second held 40 requests, of which those due in its first 0.7 s waited for more than 0.3 s.
    assert slow("intended") >= 15
    # The eight users were all waiting: by the times of sending, the stall is that of a few requests.
    assert slow("started") <= 8
    due = sorted(float(sample["intended"]) for sample in samples)
    gaps = [after - before for before, after in itertools.pairwise(due)]
    assert statistics.mean(gaps) == pytest.approx(1 / 40, rel=0.3)
    # Gaps of a Poisson process vary as much as they are long.
    assert statistics.stdev(gaps) / statistics.mean(gaps) == pytest.approx(1, abs=0.3)


def test_a_server_that_hangs_leaves_no_request_out(tokenizer: Path, texts: Path, tmp_path: Path) -> None:
    with serving(tokenizer, "hang:60") as fake:
        options = ["--variants", "dense", "--rate", "30", "-u", "8", "-r", "8", "-t", "2s", "--stop-timeout", "1"]
        process = start_locust(
            *("--headless", "--host", fake.url, "--texts", str(texts), "--samples", str(tmp_path / "samples.csv.gz")),
            *options,
        )
        process.communicate(timeout=60)
    samples = samples_of(tmp_path / "samples.csv.gz")
    outcomes = Counter(sample["outcome"] for sample in samples)
    # All eight users are left waiting, and what was due meanwhile was never sent.
    assert outcomes["no answer"] == 8
    assert outcomes["not sent"] > 0
    due = sorted(float(sample["intended"]) for sample in samples)
    assert len(due) / due[-1] == pytest.approx(30, rel=0.4)


def test_two_workers_share_the_load_and_the_master_keeps_their_samples(fake: Fake, texts: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    workers = [start_locust("--worker", "--master-host", "127.0.0.1", "--master-port", port) for _ in range(2)]
    options = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--expect-workers", "2"]
    load = ["--variants", "dense,int8", "--rate", "60", "-u", "20", "-r", "20", "-t", "4s"]
    samples = locust(fake.url, texts, tmp_path / "samples.csv.gz", *options, *load)
    for worker in workers:
        worker.communicate(timeout=30)
        assert worker.returncode == 0
    assert {sample["outcome"] for sample in samples} == {"ok"}
    assert {sample["variant"] for sample in samples} == {"dense", "int8"}
    # Both workers' arrivals together are as many as were asked for.
    seconds = max(float(sample["intended"]) for sample in samples)
    assert seconds > 2
    assert len(samples) / seconds == pytest.approx(60, rel=0.4)


def test_samples_that_cannot_be_written_are_refused_before_the_test(fake: Fake, texts: Path, tmp_path: Path) -> None:
    samples = tmp_path / "none" / "samples.csv.gz"
    options = ["--headless", "--host", fake.url, "--texts", str(texts), "-t", "1s", "--samples", str(samples)]
    process = start_locust(*options)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"{samples} cannot be written: No such file or directory. Pass another file with --samples." in said
    assert "Traceback" not in said


def test_a_server_that_is_not_there(texts: Path) -> None:
    process = start_locust("--headless", "--host", "http://127.0.0.1:9", "--texts", str(texts), "-t", "1s")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "No server responds at http://127.0.0.1:9" in said
