"""Output files, which get their final name when they are complete."""

import contextlib
import hashlib
import os
from io import BufferedWriter
from pathlib import Path

from service.annotation.errors import AnnotationError
from service.annotation.formats import Format
from service.annotation.inputs.records import Record
from service.annotation.journal import Journal, Progress

SYNCED_BYTES = 1024 * 1024
"""Smaller files are not fsynced: after a power failure, writing them again is faster."""


class Output:
    """Written to ``NAME.part``; ``checkpoint`` records in the journal what is on disk."""

    def __init__(self, folder: Path, name: str, form: Format, journal: Journal):
        self.path = folder / name
        self._part = folder / f"{name}.part"
        self._form, self._journal = form, journal
        self._file: BufferedWriter | None = None
        self._hash = hashlib.sha256()
        self.progress = journal.outputs.get(name, Progress())
        if not (self._kept() if self.progress.done else self._size() >= self.progress.bytes):
            # The file was removed, or lost in a power failure.
            self.progress = Progress()
        self.before = self.progress
        self.progress = self.progress.model_copy(update={"records": 0})
        """``records`` counts again from the beginning: the first ones are only compared."""

    def _kept(self) -> bool:
        """Whether the file is there. A power failure can leave it empty; other changes are the user's."""
        return self.path.exists() and bool(self.path.stat().st_size or not self.progress.bytes)

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def skips(self, record: Record) -> bool:
        """Whether an earlier run has written the next record. Raises ``AnnotationError`` if the input has changed."""
        if self.progress.records >= self.before.records:
            if self.before.done:
                raise self._changed()
            return False
        self._count(record)
        if self.progress.records == self.before.records:
            self.refuse_changed()
        return True

    def refuse_changed(self) -> None:
        """Raise ``AnnotationError`` unless the records so far are those of the earlier run."""
        if self.progress.records < self.before.records or self._hash.hexdigest() != self.before.sha256:
            raise self._changed()

    def _changed(self) -> AnnotationError:
        return AnnotationError(
            f"the input of {self.path} has changed since it was annotated, or is read with other options:"
            " give another --out, or --overwrite"
        )

    def _count(self, record: Record) -> None:
        self._hash.update(record.payload)
        self._hash.update(f"\n{record.field}\n".encode())
        self.progress.records += 1

    def write(self, record: Record, part: bytes, failed: bool) -> None:
        file = self._open()
        self._count(record)
        self.progress.failed += failed
        if part:
            separator = self._form.separator if self.progress.bytes > len(self._form.header) else b""
            file.write(separator + part)
            self.progress.bytes += len(separator) + len(part)

    def _open(self) -> BufferedWriter:
        if self._file is None:
            descriptor = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
            self._file = BufferedWriter(os.fdopen(descriptor, "r+b", buffering=0), 1 << 16)
            self._file.truncate(self.progress.bytes)
            self._file.seek(self.progress.bytes)
            if not self.progress.bytes:
                self._file.write(self._form.header)
                self.progress.bytes = len(self._form.header)
        return self._file

    def checkpoint(self) -> None:
        if self._file is not None and not self.progress.done:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._note()

    def _note(self) -> None:
        self.progress.sha256 = self._hash.hexdigest()
        self._journal.note(self.path.name, self.progress.model_copy())

    def finish(self) -> None:
        """Give the file its name; nothing is left to do if an earlier run has."""
        if self.progress.records <= self.before.records:
            self.refuse_changed()
        if self.progress.done:
            return
        file = self._open()
        file.write(self._form.footer)
        file.flush()
        if self.progress.bytes > SYNCED_BYTES:
            os.fsync(file.fileno())
        file.close()
        self._form.finish(self._part, self.path)
        self.progress.done = True
        self._note()

    def close(self) -> None:
        """Leave the part as it is, for the next run."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
