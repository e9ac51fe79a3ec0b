"""A small disk, to be filled."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[Path]:
    """Mount a tmpfs of this size, such as 64k, on a new or empty folder. Skips the test where that is not allowed."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = shutil.which("mount") and subprocess.run(command, capture_output=True, text=True, check=False)
    if not mounted or mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip() if mounted else 'there is no mount'}")
    try:
        yield folder
    finally:
        # Lazily, because this process may still have files on it mapped.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
