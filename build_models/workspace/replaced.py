"""The record of the artefacts that the last build replaced, for ``rollback``."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from build_models.errors import BuildError
from service.artifacts.manifest import PREVIOUS
from service.variants import KNOWN_VARIANTS

DATA = "data"
"""Folder of the test split, next to the artefacts."""

RECORD = "replaced.json"


@contextmanager
def replacements_recorded(artifacts: Path) -> Iterator[None]:
    """Record which artefacts the block replaces, even if it fails. If it replaces none, the old record stays.

    The test split counts as replaced, too, if there was none before.
    """
    before = {name: _inode(artifacts / name) for name in (*KNOWN_VARIANTS, DATA)}
    try:
        yield
    finally:
        changed = [name for name, inode in before.items() if _inode(artifacts / name) != inode]
        replaced = [name for name in changed if before[name] is not None]
        if replaced:
            if DATA in changed and DATA not in replaced:
                # What an earlier build left there is not what this one replaced.
                shutil.rmtree(artifacts / PREVIOUS / DATA, ignore_errors=True)
                replaced.append(DATA)
            draft = artifacts / PREVIOUS / f".{RECORD}"
            draft.write_text(json.dumps(replaced), encoding="utf-8")
            draft.replace(artifacts / PREVIOUS / RECORD)


def _inode(folder: Path) -> int | None:
    return folder.stat().st_ino if folder.exists() else None


def last_replaced(artifacts: Path) -> list[str]:
    """The replaced variants and ``DATA``, in the order of ``KNOWN_VARIANTS``.

    There may be no folder of ``DATA`` among the previous ones: one of the two builds had no test split. Raises
    ``BuildError`` if the record is damaged.
    """
    path = artifacts / PREVIOUS / RECORD
    try:
        replaced = set(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise BuildError(
            f"{path} is damaged: the previous artefacts are in {path.parent}, to be moved by hand"
        ) from error
    kept = [name for name in KNOWN_VARIANTS if name in replaced and (artifacts / PREVIOUS / name).exists()]
    return [*kept, DATA] if kept and DATA in replaced else kept
