"""Stages of the build that are not run again while their inputs stay the same, and survive being killed."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import build_models
import service
from build_models.errors import BuildError
from build_models.progress import say
from service.artifacts.manifest import digest_of, flush, record_files, replace_folder

WORKSPACE = ".work"
"""The folder, among the artefacts, of a build's stages."""

KEY = "stage.json"
LOCK = "lock"
FULL_BYTES = 64 * 1024
"""A disk with less than this left counts as full where a library failed to write to it."""


def sources() -> list[Path]:
    """The code that results depend on: the build, and of the service the path from a text to its labels.

    Nothing else of the service is among them: another line in its HTTP part must not discard hours of training.
    """
    build, serving = (Path(str(package.__file__)).parent for package in (build_models, service))
    apart = {build / "data" / "sample" / "check.py"}
    apart |= {path for name in ("commands", "experiments") for path in (build / name).rglob("*.py")}
    return [
        *(path for path in sorted(build.rglob("*.py")) if path not in apart),
        *sorted((serving / "ner").glob("*.py")),
        *(serving / "evaluation" / f"{name}.py" for name in ("conll", "reading", "schemes", "scoring", "sentences")),
        *sorted((serving / "runtimes").glob("*.py")),
    ]


@cache
def code_digest() -> str:
    """SHA-256 over the sources: other code, other results."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(f"{path.name}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def key_of(inputs: Mapping[str, Any]) -> str:
    """The identity of a stage's result: its inputs and the code."""
    text = json.dumps({**inputs, "code": code_digest()}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def result_digest(folder: Path) -> str:
    """The identity of what a stage made: weights, tokenizer and configuration, for each of them changes answers."""
    return digest_of({name: record for name, record in record_files(folder).items() if name != KEY})


def seconds_taken(folder: Path) -> float:
    """How long a finished stage ran; after a kill only the run that finished it counts."""
    return float(json.loads((folder / KEY).read_text(encoding="utf-8"))["seconds"])


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


@contextmanager
def lock(path: Path, wait: bool = False) -> Iterator[None]:
    """Hold a lock that goes with the process, however that ends.

    Raises ``BlockingIOError`` if another process has it, unless this one is to ``wait``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Opened to append, so that one who changes nothing leaves its time stamp too.
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


class Workspace:
    """A folder of finished stages, ``<name>/``, and of stages under way, ``.<name>.<key>/``."""

    def __init__(self, folder: Path):
        self.folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other builds out: two at once would delete each other's work.

        The lock goes with the process, however that ends. Raises ``BuildError`` if another build has it.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(lock(self.folder / LOCK))
            except BlockingIOError:
                raise BuildError(
                    f"Another build is at work in {self.folder.parent}: wait for its end, or give another --out"
                ) from None
            yield

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
        # Nothing else: of two names one may be the beginning of the other, as of mini and mini.v2.
        for stale in (result, *self.folder.glob(f".{name}." + 16 * "[0-9a-f]")):
            if stale != progress:
                shutil.rmtree(stale, ignore_errors=True)
        result.mkdir(parents=True)
        progress.mkdir(exist_ok=True)
        started = time.monotonic()
        with full_disk_named(result):
            run(result, progress)
        seconds = round(time.monotonic() - started, 1)
        (result / KEY).write_text(json.dumps({"key": key, "seconds": seconds}), encoding="utf-8")
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
