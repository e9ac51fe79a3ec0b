"""Stages of the build, cached by their inputs and resumable."""

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
from uuid import uuid4

import build_models
import service
from build_models.errors import BuildError
from build_models.progress import say
from service.artifacts.building import LOCK
from service.artifacts.manifest import digest_of, flush, record_files, replace_folder

KEY = "stage.json"
SECONDS_OF_A_LOOK = 0.2
FULL_BYTES = 64 * 1024
"""A disk with less free space than this counts as full if a library failed to write to it."""


def sources() -> list[Path]:
    """The code that results depend on: the build, and the service's path from text to labels.

    The rest of the service is left out: a change of its HTTP code must not invalidate hours of training.
    """
    build, serving = (Path(str(package.__file__)).parent for package in (build_models, service))
    apart = {build / "data" / "sample" / "check.py", build / "artifacts" / "upload.py"}
    apart |= {path for name in ("commands", "experiments") for path in (build / name).rglob("*.py")}
    apart -= {build / "experiments" / f"{name}.py" for name in ("calibration", "noise", "outliers", "run")}
    return [
        *(path for path in sorted(build.rglob("*.py")) if path not in apart),
        *sorted((serving / "ner").glob("*.py")),
        *(serving / "evaluation" / f"{name}.py" for name in ("conll", "data_schemes", "noise", "reading", "scoring")),
        serving / "evaluation" / "figures" / "calibration.py",
        *sorted((serving / "runtimes").glob("*.py")),
    ]


@cache
def code_digest() -> str:
    """SHA-256 over the sources."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(f"{path.name}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def key_of(inputs: Mapping[str, Any]) -> str:
    """The cache key of a stage: a digest of its inputs and the code."""
    text = json.dumps({**inputs, "code": code_digest()}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def result_digest(folder: Path) -> str:
    """A digest of a stage's result: weights, tokenizer and configuration. Gigabytes are read once."""
    stats = [(path, path.stat()) for path in sorted(folder.rglob("*"))]
    return _digest(folder, tuple((path, stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in stats))


@cache
def _digest(folder: Path, _: tuple[tuple[Path, int, int, int], ...]) -> str:
    return digest_of({name: record for name, record in record_files(folder).items() if name != KEY})


def seconds_taken(folder: Path) -> float:
    """The duration of a finished stage; of a resumed one, only the last run."""
    return float(json.loads((folder / KEY).read_text(encoding="utf-8"))["seconds"])


@contextmanager
def full_disk_named(folder: Path) -> Iterator[None]:
    """Raise ``OSError`` with ``ENOSPC`` if a library fails because the disk of ``folder`` is full.

    Enter this inside any context manager that removes the files, while the disk is still full.
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
    """Lock a file, which is created if it is missing, or a folder. The system unlocks it when the process exits.

    Raises ``BlockingIOError`` if another process holds the lock, unless ``wait`` is true.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Append mode keeps the file's time stamp. A folder can only be opened for reading.
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(number)


class Workspace:
    """A folder of finished stages, ``<name>/``, and unfinished ones, ``.<name>.<key>/``."""

    def __init__(self, folder: Path):
        self.folder = folder
        # Written into finished stages, to tell those of this build, forked processes included, from earlier ones.
        self._build = uuid4().hex
        self._reported: set[str] = set()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other builds out, which would delete this one's work. Raises ``BuildError`` if one is running."""
        with contextlib.ExitStack() as stack:
            try:
                try:
                    stack.enter_context(lock(self.folder / LOCK))
                except BlockingIOError:
                    # A server that looks whether a build is running holds the lock for a moment.
                    time.sleep(SECONDS_OF_A_LOOK)
                    stack.enter_context(lock(self.folder / LOCK))
            except BlockingIOError:
                raise BuildError(
                    f"Another build is running in {self.folder.parent}: wait for it to finish, or pass another --out"
                ) from None
            yield

    def stage(self, name: str, inputs: Mapping[str, Any], run: Callable[[Path, Path], None]) -> Path:
        """Return the folder of a stage; run the stage unless it is finished with the same inputs.

        ``run(result, progress)`` fills the folder ``result``, which is moved into place when it returns. The folder
        ``progress`` persists until then, for checkpoints.
        """
        key = key_of(inputs)
        folder = self.folder / name
        finished = self._finished(folder, key)
        if finished:
            # Several recipes ask for the same stage; only what an earlier build made is reported, once.
            if finished.get("build") != self._build and name not in self._reported:
                say(f"{name}: unchanged, kept")
            self._reported.add(name)
            return folder
        say(f"{name}: started")
        result, progress = self.folder / f".{name}.new", self.folder / f".{name}.{key[:16]}"
        # The pattern spells out the key because one name may be a prefix of another, such as mini and mini.v2.
        for stale in (result, *self.folder.glob(f".{name}." + 16 * "[0-9a-f]")):
            if stale != progress:
                shutil.rmtree(stale, ignore_errors=True)
        result.mkdir(parents=True)
        progress.mkdir(exist_ok=True)
        started = time.monotonic()
        with full_disk_named(result):
            run(result, progress)
        seconds = round(time.monotonic() - started, 1)
        record = {"key": key, "seconds": seconds, "build": self._build}
        (result / KEY).write_text(json.dumps(record), encoding="utf-8")
        flush(result)
        replace_folder(result, folder)
        shutil.rmtree(progress, ignore_errors=True)
        return folder

    @staticmethod
    def _finished(folder: Path, key: str) -> dict[str, Any] | None:
        """The record of a stage that is finished with this key, if it is."""
        try:
            record: dict[str, Any] = json.loads((folder / KEY).read_text(encoding="utf-8"))
            return record if record["key"] == key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
