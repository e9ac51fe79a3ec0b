"""What the last build replaced, kept for ``rollback``."""

import os
import shutil
from pathlib import Path

from pydantic import BaseModel, model_validator

from build_models.errors import BuildError
from service.artifacts.manifest import PREVIOUS, flush
from service.variants import KNOWN_VARIANTS

DATA = "data"
"""Folder of the test split, next to the artefacts."""

RECORD = "replaced.json"


class Record(BaseModel):
    """What a build replaced, and whether it finished. ``added`` is what an unfinished one after it has put where
    nothing was, and nothing else.
    """

    replaced: list[str] = []
    finished: bool = True
    added: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, content: object) -> object:
        """They wrote only the list of names, at the end of a build."""
        return {"replaced": content} if isinstance(content, list) else content


class Replacements:
    """Keeps what a build replaces in ``PREVIOUS``, with a record of it.

    A build that was killed or failed is continued by the next: what was there before the first of them is kept, so that
    a rollback never mixes builds. A folder is kept first, then recorded, then replaced.
    """

    def __init__(self, artifacts: Path):
        self._artifacts, self._previous = artifacts, artifacts / PREVIOUS
        record = read_record(artifacts) or Record()
        self._begun = not record.finished
        # Without a folder in PREVIOUS, a name in here was not there before.
        self._replaced = record.replaced if self._begun else record.added
        self._by_last_build = [] if self._begun else record.replaced

    def keep(self, name: str) -> None:
        """Keep this folder, which is about to be replaced or removed, unless this build replaced it before."""
        if name in self._replaced:
            return
        if (self._artifacts / name).exists():
            self._begin()
            kept, draft = self._previous / name, self._previous / f".{name}"
            for unrecorded in (kept, draft):
                shutil.rmtree(unrecorded, ignore_errors=True)
            shutil.copytree(self._artifacts / name, draft, copy_function=_link)
            flush(draft)
            draft.rename(kept)
        self._replaced.append(name)
        if self._begun or any((self._artifacts / other).exists() for other in KNOWN_VARIANTS):
            self._write()

    def finish(self) -> None:
        """Mark the record as finished, so that the next build starts a new one."""
        if self._begun:
            self._by_last_build, self._begun = self._replaced, False
        self._replaced = []
        if any((self._previous / name).exists() for name in self._by_last_build):
            self._write()
        else:
            shutil.rmtree(self._previous, ignore_errors=True)

    def _begin(self) -> None:
        """Delete what earlier builds kept, unless this build has already kept a folder."""
        if not self._begun:
            old = self._previous.with_name(f"{PREVIOUS}.old")
            shutil.rmtree(old, ignore_errors=True)
            if self._previous.exists():
                self._previous.rename(old)
                shutil.rmtree(old, ignore_errors=True)
            self._begun = True
            self._write()

    def _write(self) -> None:
        self._previous.mkdir(parents=True, exist_ok=True)
        if self._begun:
            record = Record(replaced=self._replaced, finished=False)
        else:
            record = Record(replaced=self._by_last_build, added=self._replaced)
        draft = self._previous / f".{RECORD}"
        with draft.open("w", encoding="utf-8") as file:
            file.write(record.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._previous / RECORD)


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
    except ValueError as error:
        raise BuildError(
            f"{path} is damaged: move the previous artefacts in {path.parent} by hand, and delete it"
        ) from error


def last_replaced(artifacts: Path) -> list[str]:
    """The replaced variants and ``DATA``, in the order of ``KNOWN_VARIANTS``.

    There may be no folder of ``DATA`` among the previous ones: one of the two builds had no test split. Raises
    ``BuildError`` if the record is damaged.
    """
    record = read_record(artifacts)
    replaced = record.replaced if record else []
    kept = [name for name in KNOWN_VARIANTS if name in replaced and (artifacts / PREVIOUS / name).exists()]
    return [*kept, DATA] if kept and DATA in replaced else kept
