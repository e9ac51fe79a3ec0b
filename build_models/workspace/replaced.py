"""What the last build replaced, kept for ``rollback``."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from build_models.errors import BuildError
from service.artifacts.manifest import PREVIOUS, flush
from service.variants import KNOWN_VARIANTS

DATA = "data"
"""Folder of the test split, next to the artefacts."""

RECORD = "replaced.json"


class Replacements:
    """Keeps what a build replaces in ``PREVIOUS``, with a record of it.

    A build that was killed or failed is continued by the next: what was there before the first of them is kept, so that
    a rollback never mixes builds. A folder is kept first, then recorded, then replaced.
    """

    def __init__(self, artifacts: Path):
        self._artifacts, self._previous = artifacts, artifacts / PREVIOUS
        record = read_record(artifacts)
        self._begun = record is not None and not record["finished"]
        self._replaced: list[str] = record["replaced"] if record and self._begun else []

    def keep(self, name: str) -> None:
        """Keep this folder, which is about to be replaced or removed, unless this build replaced it before."""
        if name in self._replaced:
            return
        if any((self._artifacts / other).exists() for other in {name, *KNOWN_VARIANTS}.difference(self._replaced)):
            # Also where this name is new beside others: if this build is killed, the next has to know.
            self._begin()
        if (self._artifacts / name).exists():
            kept, draft = self._previous / name, self._previous / f".{name}"
            for unrecorded in (kept, draft):
                shutil.rmtree(unrecorded, ignore_errors=True)
            shutil.copytree(self._artifacts / name, draft, copy_function=_link)
            flush(draft)
            draft.rename(kept)
        # A name in the record without a folder in PREVIOUS was not there before.
        self._replaced.append(name)
        if self._begun:
            self._write(finished=False)

    def finish(self) -> None:
        """Mark the record as finished, so that the next build starts a new one. If nothing was kept, remove it."""
        if not self._begun:
            return
        if any((self._previous / name).exists() for name in self._replaced):
            self._write(finished=True)
        else:
            shutil.rmtree(self._previous)

    def _begin(self) -> None:
        """Delete what earlier builds kept, unless this build has already kept a folder."""
        if not self._begun:
            old = self._previous.with_name(f"{PREVIOUS}.old")
            shutil.rmtree(old, ignore_errors=True)
            if self._previous.exists():
                self._previous.rename(old)
                shutil.rmtree(old, ignore_errors=True)
            self._previous.mkdir(parents=True)
            self._begun = True

    def _write(self, finished: bool) -> None:
        draft = self._previous / f".{RECORD}"
        with draft.open("w", encoding="utf-8") as file:
            json.dump({"replaced": self._replaced, "finished": finished}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._previous / RECORD)


def _link(source: str, target: str) -> None:
    """The files of artefacts are never changed in place, so that a second name for them is as good as a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def read_record(artifacts: Path) -> dict[str, Any] | None:
    """The record, if there is one. Raises ``BuildError`` if it is damaged."""
    path = artifacts / PREVIOUS / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record, list):
            # Earlier versions wrote only this list, at the end of a build.
            record = {"replaced": record, "finished": True}
        return {"replaced": [str(name) for name in record["replaced"]], "finished": bool(record["finished"])}
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise BuildError(
            f"{path} is damaged: move the previous artefacts in {path.parent} by hand, and delete it"
        ) from error


def last_replaced(artifacts: Path) -> list[str]:
    """The replaced variants and ``DATA``, in the order of ``KNOWN_VARIANTS``.

    There may be no folder of ``DATA`` among the previous ones: one of the two builds had no test split. Raises
    ``BuildError`` if the record is damaged.
    """
    record = read_record(artifacts)
    replaced = record["replaced"] if record else []
    kept = [name for name in KNOWN_VARIANTS if name in replaced and (artifacts / PREVIOUS / name).exists()]
    return [*kept, DATA] if kept and DATA in replaced else kept
