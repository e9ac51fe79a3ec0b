"""Load tests run as users run them, in separate processes, because importing locust patches sockets."""

import csv
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.fakes import TEXTS
from tests.waiting import wait_for_answer

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@dataclass
class Fake:
    """A fake service in its process."""

    url: str
    process: subprocess.Popen[bytes]


@dataclass
class Outcome:
    """What a command came to."""

    status: int
    said: str
    folder: Path

    def json(self, name: str = "report.json") -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / name).read_text())
        return content


def samples_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


IMPATIENT = """
import loadtests.load.generator as generator
generator.DRAIN_SECONDS = generator.PROBE_SECONDS = 1.0
"""
"""Waits for answers that never come for a second, where users wait for half a minute."""


def run(folder: Path, *arguments: str, impatient: bool = False) -> Outcome:
    """``python -m loadtests`` that writes into ``folder``."""
    process = start(folder, *arguments, impatient=impatient)
    said, _ = process.communicate(timeout=120)
    return Outcome(process.returncode, said, folder)


def start(folder: Path, *arguments: str, impatient: bool = False) -> subprocess.Popen[str]:
    module = ["-c", f"{IMPATIENT}\nfrom loadtests.__main__ import cli\ncli()"] if impatient else ["-m", "loadtests"]
    command = [sys.executable, *module, *arguments, "--out", str(folder)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=heed_signals,
    )


def heed_signals() -> None:
    """Tests that run in the background or under nohup hand on that these signals are ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from build_models.bases.base import train_tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(TEXTS * 3, 400, folder)
    return folder / "tokenizer.json"


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("\n".join(TEXTS), encoding="utf-8")
    return path


@contextmanager
def serving(tokenizer: Path, misbehaviour: str = "none", ready: bool = True) -> Iterator[Fake]:
    """A fake service until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "tests.loadtests.fake_service", str(port), str(tokenizer), misbehaviour]
    process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for_answer(process, f"{url}/{'readyz' if ready else 'livez'}", 60)
        yield Fake(url, process)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def fake(tokenizer: Path) -> Iterator[Fake]:
    """A fake service that behaves, for tests that leave it alive."""
    with serving(tokenizer) as running:
        yield running


@pytest.fixture(scope="session")
def quick(fake: Fake, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A short matrix over two variants."""
    options = ["--quick", "--seconds", "0.3", "--repetitions", "2", "--variants", "dense,dynamic"]
    return run(
        tmp_path_factory.mktemp("quick"), "--host", fake.url, "--texts", str(texts), "--price-per-hour", "0.5", *options
    )


@pytest.fixture
def load(texts: Path, tmp_path: Path) -> Callable[..., Outcome]:
    """Run the load tests with the texts of the tests."""

    def load(*arguments: str, impatient: bool = False) -> Outcome:
        command = ["soak"] if arguments[:1] == ("soak",) else []
        return run(tmp_path, *command, "--texts", str(texts), *arguments[len(command) :], impatient=impatient)

    return load
