"""A copy of the artefacts from before the last build that replaced any, for ``rollback``."""

import os
import shutil
from pathlib import Path

from pydantic import BaseModel, ValidationError

from build_models.errors import BuildError
from service.artifacts.manifest import MANIFEST, PREVIOUS, flush, remove_folder, replace_folder
from service.variants import KNOWN_VARIANTS

DATA = "data"
"""Folder of the test split, next to the artefacts."""

RECORD = "kept.json"


class Record(BaseModel):
    """Whether the build that made this copy has finished."""

    finished: bool


class Replacements:
    """Keeps all artefacts and the test split in ``PREVIOUS`` before a build replaces the first of them.

    A build that was killed or failed is continued by the next: what was there before the first of them stays, so that a
    rollback never restores a mixture of builds.
    """

    def __init__(self, artifacts: Path):
        self._artifacts, self._previous = artifacts, artifacts / PREVIOUS
        record = read_record(artifacts)
        self._kept = record is not None and not record.finished

    def keep(self, name: str) -> None:
        """Make the copy, unless there is one. Call this before writing or removing the folder ``name``; if the folder
        does not exist, nothing is replaced or copied.
        """
        if self._kept or not (self._artifacts / name).exists():
            return
        draft = self._previous.with_name(f"{PREVIOUS}.new")
        remove_folder(draft)
        draft.mkdir()
        for kept in (*KNOWN_VARIANTS, DATA):
            if (self._artifacts / kept).exists():
                # A damaged artefact that is not replaced must not stop the build.
                shutil.copytree(
                    self._artifacts / kept, draft / kept, copy_function=_link, ignore_dangling_symlinks=True
                )
        (draft / RECORD).write_text(Record(finished=False).model_dump_json(), encoding="utf-8")
        flush(draft)
        replace_folder(draft, self._previous)
        self._kept = True

    def finish(self) -> None:
        """Mark this build as finished, so that the next one makes a new copy."""
        if not self._kept:
            return
        draft = self._previous / f".{RECORD}"
        with draft.open("w", encoding="utf-8") as file:
            file.write(Record(finished=True).model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._previous / RECORD)
        self._kept = False


def _link(source: str, target: str) -> None:
    """The files of artefacts are never changed in place, so that a second name for them is as good as a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def read_record(artifacts: Path) -> Record | None:
    """The record, if there is one. Raises ``BuildError`` if it is damaged."""
    path = artifacts / PREVIOUS / RECORD
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise BuildError(
            f"{path} is damaged: move the previous artefacts in {path.parent} by hand, and delete it"
        ) from error


def replaced(artifacts: Path) -> list[str]:
    """The kept variants that differ from those that are there now, in the order of ``KNOWN_VARIANTS``, and ``DATA`` if
    it differs. Raises ``BuildError`` if the record is damaged.
    """
    if read_record(artifacts) is None:
        return []
    previous = artifacts / PREVIOUS
    variants = [name for name in KNOWN_VARIANTS if (previous / name).exists()]
    differing = [name for name in variants if _read(previous / name, MANIFEST) != _read(artifacts / name, MANIFEST)]
    return [*differing, DATA] if _read(previous / DATA, "*") != _read(artifacts / DATA, "*") else differing


def _read(folder: Path, files: str) -> dict[str, bytes] | None:
    return {path.name: path.read_bytes() for path in folder.glob(files)} if folder.exists() else None
