"""Environments of their own for what reads Kidogo's files or runs its annotator, made once and kept."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

from tests import ROOT

NEEDED = ("numpy", "onnxruntime", "pydantic", "pydantic-settings", "psutil", "regex", "tokenizers")
"""What an annotator needs of the locked dependencies for every variant but int8."""


def environment(name: str, *packages: str) -> Path:
    """The Python of an environment with these packages. KIDOGO_ENVIRONMENTS names a folder to keep it in.

    A test of Spark is skipped without Java.
    """
    folder = Path(os.environ.get("KIDOGO_ENVIRONMENTS", Path(tempfile.gettempdir()) / "kidogo-environments")) / name
    python = folder / "bin" / "python"
    if "pyspark" in packages and shutil.which("java") is None:
        pytest.skip("There is no Java: apt-get install openjdk-17-jre-headless")
    uv = Path(sys.executable).with_name("uv")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "done").exists():
            subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
            constraints = ["--constraint", ROOT / "requirements-slim.lock"]
            subprocess.run(
                [uv, "pip", "install", "-q", "--python", python, *constraints, *NEEDED, *packages], check=True
            )
            (folder / "done").touch()
    return python


def run(python: Path, script: str, *arguments: object, **variables: str) -> str:
    """What a script prints there; the project is on its path."""
    answer = subprocess.run(
        [python, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout
