"""Whether a build is running in a folder of artefacts."""

import fcntl
from pathlib import Path

WORKSPACE = ".work"
"""Folder of a build's stages, next to the artefacts."""

LOCK = "lock"
"""File in it that a running build locks; the system releases it when the process exits, however it ends."""

UNFINISHED = ".sample-build-unfinished"
"""What ``scripts/serve`` leaves next to the artefacts while it builds them, to resume if it is interrupted."""


def being_built(artifacts: Path) -> bool:
    try:
        with (artifacts / WORKSPACE / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
