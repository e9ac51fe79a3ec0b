"""Requests that schemathesis makes up from the OpenAPI document: no fault, and no answer but those in the document."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.servers import ROOT, Server

COMMAND = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(ROOT / "tests" / "schemathesis.toml"), "run"]
OPTIONS = ["--suppress-health-check", "all", "--request-timeout", "300", "--no-color"]

NER, COMPARE = ["--include-path", "/ner"], ["--include-path", "/compare"]
OTHERS = ["--exclude-path", "/ner", "--exclude-path", "/compare"]

Run = tuple[list[str], int]
"""The operations, and how many examples of each."""

FEW: list[Run] = [([], 5)]
# Many runs, each with its own seed: one long run makes its requests ever more slowly. A check of accuracy, among the
# others, reads hundreds of sentences twice, and paths without parameters have only so many requests to make up.
TEN_THOUSAND: list[Run] = [*[(NER, 700), (COMPARE, 550)] * 8, (OTHERS, 60)]


def make_up_requests(server: Server, seed: int, run: Run, folder: Path) -> int:
    """Runs schemathesis with every check; how many requests it made."""
    operations, examples = run
    folder.mkdir()
    options = [*operations, "--max-examples", str(examples), "--seed", str(seed), *OPTIONS]
    ended = subprocess.run(
        [*COMMAND, f"{server.url}/openapi.json", *options], cwd=folder, capture_output=True, text=True, timeout=1800
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (generated,) = re.findall(r"([\d,]+) generated", ended.stdout)
    (seconds,) = re.findall(r" in ([\d.]+)s =+", ended.stdout)
    print(f"{' '.join(operations) or 'all'}, seed {seed}: {generated} requests in {seconds} s", flush=True)
    return int(generated.replace(",", ""))


@pytest.mark.parametrize(
    ("runs", "at_least"),
    [(FEW, 200), pytest.param(TEN_THOUSAND, 10_000, marks=pytest.mark.slow)],
    ids=["few", "ten thousand"],
)
def test_made_up_requests(server: Server, tmp_path: Path, runs: list[Run], at_least: int) -> None:
    with ThreadPoolExecutor(2) as pool:
        running = [
            pool.submit(make_up_requests, server, seed, run, tmp_path / str(seed)) for seed, run in enumerate(runs, 1)
        ]
        generated = sum(run.result() for run in running)
    print(f"{generated:,} requests")
    assert generated >= at_least
