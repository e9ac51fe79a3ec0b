"""Requests that schemathesis makes up from the OpenAPI document: no fault, and no answer but those in the document."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.servers import ROOT, Server

COMMAND = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(ROOT / "tests" / "schemathesis.toml"), "run"]


@pytest.mark.parametrize(
    ("examples", "at_least"),
    [(5, 200), pytest.param(3400, 10_000, marks=pytest.mark.slow)],
    ids=["few", "ten thousand"],
)
def test_made_up_requests(server: Server, tmp_path: Path, examples: int, at_least: int) -> None:
    options = [
        "--max-examples",
        str(examples),
        "--seed",
        "1",
        "--workers",
        "2",
        "--suppress-health-check",
        "all",
        "--request-timeout",
        "300",
    ]
    run = subprocess.run(
        [*COMMAND, f"{server.url}/openapi.json", *options, "--no-color"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    (generated,) = re.findall(r"([\d,]+) generated", run.stdout)
    assert int(generated.replace(",", "")) >= at_least
