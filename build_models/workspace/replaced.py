"""What the last build replaced among the artefacts: the record that bringing it back goes by."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.artifacts.manifest import PREVIOUS
from service.variants import KNOWN_VARIANTS

DATA = "data"
"""The folder, among the artefacts, of the test split that they were scored on."""

RECORD = "replaced.json"


@contextmanager
def replacements_recorded(artifacts: Path) -> Iterator[None]:
    """Write down what is replaced inside, however that ends. Where nothing is, the record from before stays."""
    before = {name: (artifacts / name).stat().st_ino for name in (*KNOWN_VARIANTS, DATA) if (artifacts / name).exists()}
    try:
        yield
    finally:
        replaced = [name for name, inode in before.items() if (artifacts / name).stat().st_ino != inode]
        if replaced:
            (artifacts / PREVIOUS / RECORD).write_text(json.dumps(replaced), encoding="utf-8")


def last_replaced(artifacts: Path) -> list[str]:
    """Variants, and ``DATA``, in the order of ``KNOWN_VARIANTS``."""
    try:
        replaced: list[str] = json.loads((artifacts / PREVIOUS / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [name for name in (*KNOWN_VARIANTS, DATA) if name in replaced and (artifacts / PREVIOUS / name).exists()]
