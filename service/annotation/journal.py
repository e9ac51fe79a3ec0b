"""Records what a run has written, so that an interrupted run can be resumed."""

import contextlib
import fcntl
import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.annotation.errors import AnnotationError

JOURNAL = ".kidogo-annotate.jsonl"
FORMAT = 1


class Progress(BaseModel):
    """Progress of one output: records read and failed, bytes written, and the SHA-256 of the records."""

    model_config = ConfigDict(extra="forbid", strict=True)

    records: int = Field(0, ge=0)
    failed: int = Field(0, ge=0)
    bytes: int = Field(0, ge=0)
    sha256: str = ""
    done: bool = False


class Journal:
    """A file next to the outputs: the settings, then lines of progress, of which the last one per output counts.

    A run holds a lock on it.
    """

    def __init__(self, folder: Path, anew: bool):
        """Raises ``AnnotationError`` if another run is writing here, or if the file is damaged."""
        self._path = folder / JOURNAL
        self._file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644), "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AnnotationError(f"another kidogo annotate is writing to {folder}: wait for it to end") from None
        self.settings: dict[str, Any] | None = None
        self.outputs: dict[str, Progress] = {}
        if anew:
            self._file.truncate(0)
        whole = 0
        for number, line in enumerate(self._file.readlines()):
            # Ignore a line that was cut short by a kill.
            if not line.endswith(b"\n"):
                break
            self._take(number, line)
            whole += len(line)
        self._file.seek(whole)
        self._file.truncate()

    def _take(self, number: int, line: bytes) -> None:
        try:
            entry = json.loads(line)
            if number:
                self.outputs[str(entry["output"])] = Progress(**entry["progress"])
            elif entry["format"] == FORMAT:
                self.settings = dict(entry["settings"])
            else:
                raise ValueError("another version wrote it")
        except (ValueError, KeyError, TypeError) as error:
            reason = "invalid progress" if isinstance(error, ValidationError) else error
            raise AnnotationError(
                f"{self._path} cannot be read (line {number + 1}: {reason}): give another --out, or --overwrite"
            ) from None

    def begin(self, settings: dict[str, Any]) -> None:
        """Write the settings, or raise ``AnnotationError`` if the interrupted run had others."""
        if self.settings is None:
            self.settings = settings
            self._write({"format": FORMAT, "settings": settings})
            return
        for name, value in settings.items():
            if self.settings.get(name) != value:
                raise AnnotationError(
                    f"{self._path.parent} was begun with another {name} ({self.settings.get(name)}, not {value}):"
                    " give another --out, or --overwrite to start over"
                )

    def note(self, output: str, progress: Progress) -> None:
        self.outputs[output] = progress
        self._write({"output": output, "progress": progress.model_dump()})

    def _write(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps(entry).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        # On a full disk, it would write what is left in the buffer, which has failed before.
        with contextlib.suppress(OSError):
            self._file.close()
