"""Execution engines, one module each, imported only when a variant needs them.

May import service.ner and service.variants.
"""

import importlib
import json
from pathlib import Path
from typing import cast

from service.ner.pipeline import Runtime
from service.variants import Runtime as RuntimeName

NARROW = 128
"""Up to this width, one thread is faster: with two, a sentence takes a fifth longer."""


def load_runtime(name: RuntimeName, folder: Path, threads: int) -> Runtime:
    """Load the artefact in ``folder`` with the runtime's ``load(folder, threads)``; narrow models get one thread."""
    if is_narrow(folder):
        threads = 1
    return cast(Runtime, importlib.import_module(f"service.runtimes.{name}").load(folder, threads))


def is_narrow(folder: Path) -> bool:
    """Whether the width in ``config.json`` is at most ``NARROW``; False if it cannot be read."""
    try:
        return int(json.loads((folder / "config.json").read_text(encoding="utf-8"))["hidden_size"]) <= NARROW
    except (OSError, ValueError, KeyError, TypeError):
        return False
