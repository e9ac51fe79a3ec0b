"""The script that builds and pushes at a named model's dimensions."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests import ROOT


def run(*options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "measure" / "dimensions.py"), "tiny", *map(str, options)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def test_what_is_built_is_there_to_be_pushed() -> None:
    done = run("--built", "--push")
    assert done.returncode == 2
    assert done.stderr.endswith("error: --built pushes what is in a folder: add --push and --folder\n")


def test_a_refused_push_leaves_the_record(tmp_path: Path) -> None:
    done = run("--built", "--push", "--folder", tmp_path, "--variants", "dense,dynamic")
    assert "manifest.json is missing" in done.stderr
    assert done.returncode == 1
    *lines, record = done.stdout.splitlines()
    # The second is not tried any more.
    assert [line.split("GiB")[1].strip() for line in lines] == ["push dense, refused"]
    assert [step["step"] for step in json.loads(record)["steps"]] == ["push dense, refused"]
