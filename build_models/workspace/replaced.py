"""The record of the artefacts that the last build replaced, for ``rollback``."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.artifacts.manifest import PREVIOUS
from service.variants import KNOWN_VARIANTS

DATA = "data"
"""Folder of the test split, next to the artefacts."""

RECORD = "replaced.json"


@contextmanager
def replacements_recorded(artifacts: Path) -> Iterator[None]:
    """Record which artefacts the block replaces, even if it fails. If it replaces none, the old record stays."""
    before = {name: (artifacts / name).stat().st_ino for name in (*KNOWN_VARIANTS, DATA) if (artifacts / name).exists()}
    try:
        yield
    finally:
        replaced = [name for name, inode in before.items() if _inode(artifacts / name) != inode]
        if replaced:
            (artifacts / PREVIOUS / RECORD).write_text(json.dumps(replaced), encoding="utf-8")


def _inode(folder: Path) -> int | None:
    return folder.stat().st_ino if folder.exists() else None


def last_replaced(artifacts: Path) -> list[str]:
    """The replaced variants and ``DATA``, in the order of ``KNOWN_VARIANTS``."""
    try:
        replaced: list[str] = json.loads((artifacts / PREVIOUS / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [name for name in (*KNOWN_VARIANTS, DATA) if name in replaced and (artifacts / PREVIOUS / name).exists()]
