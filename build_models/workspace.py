"""Stages of the build that are not run again while their inputs stay the same, and survive being killed."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import build_models
import service
from build_models.progress import say
from service.manifest import flush, replace_folder

KEY = "stage.json"
FULL_BYTES = 64 * 1024
"""A disk with less than this left counts as full where a library failed to write to it."""


@cache
def code_digest() -> str:
    """SHA-256 over the sources of the build and of the path it is scored by: other code, other results."""
    digest = hashlib.sha256()
    for package in (build_models, service):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            digest.update(f"{path.relative_to(root)}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def key_of(inputs: Mapping[str, Any]) -> str:
    """The identity of a stage's result: its inputs and the code."""
    text = json.dumps({**inputs, "code": code_digest()}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def full_disk_named(folder: Path) -> Iterator[None]:
    """Raise ``OSError`` for a full disk where libraries that write into ``folder`` only say that something failed.

    Must be entered inside what cleans the folder up, while what fills the disk is still there.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        reason = os.strerror(errno.ENOSPC)
        if reason in str(error) or shutil.disk_usage(folder).free < FULL_BYTES:
            raise OSError(errno.ENOSPC, reason, str(folder)) from error
        raise


class Workspace:
    """A folder of finished stages, ``<name>/``, and of stages under way, ``.<name>.<key>/``."""

    def __init__(self, folder: Path):
        self.folder = folder

    def stage(self, name: str, inputs: Mapping[str, Any], run: Callable[[Path, Path], None]) -> Path:
        """Return the folder of a finished stage; run it first unless it was finished with the same inputs.

        ``run(result, progress)`` fills ``result``, which is moved into place when it returns. ``progress`` is a
        folder that survives a kill, for the stage to go on from where it was.
        """
        key = key_of(inputs)
        folder = self.folder / name
        if self._finished(folder, key):
            say(f"{name}: unchanged, kept")
            return folder
        say(f"{name}: started")
        result, progress = self.folder / f".{name}.new", self.folder / f".{name}.{key[:16]}"
        for stale in (result, *self.folder.glob(f".{name}.*")):
            if stale != progress:
                shutil.rmtree(stale, ignore_errors=True)
        result.mkdir(parents=True)
        progress.mkdir(exist_ok=True)
        with full_disk_named(result):
            run(result, progress)
        (result / KEY).write_text(json.dumps({"key": key}), encoding="utf-8")
        flush(result)
        replace_folder(result, folder)
        shutil.rmtree(progress, ignore_errors=True)
        return folder

    @staticmethod
    def _finished(folder: Path, key: str) -> bool:
        try:
            return bool(json.loads((folder / KEY).read_text(encoding="utf-8"))["key"] == key)
        except (OSError, ValueError, KeyError, TypeError):
            return False
