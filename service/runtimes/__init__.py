"""Execution engines, one module each. Their heavy imports happen only when a variant that needs them loads."""

import importlib
import json
from pathlib import Path
from typing import cast

from service.ner.pipeline import Runtime
from service.variants import Runtime as RuntimeName

NARROW = 128
"""Up to this width a second thread costs a model more than it does for it: a sentence takes a fifth longer."""


def load_runtime(name: RuntimeName, folder: Path, threads: int) -> Runtime:
    """Load the artefact in ``folder``, to compute on so many threads, or on one if it is narrow.

    Every runtime module has ``load(folder, threads)``.
    """
    if is_narrow(folder):
        threads = 1
    return cast(Runtime, importlib.import_module(f"service.runtimes.{name}").load(folder, threads))


def is_narrow(folder: Path) -> bool:
    """Whether the artefact's ``config.json`` says so; without one that can be read, the model counts as wide."""
    try:
        return int(json.loads((folder / "config.json").read_text(encoding="utf-8"))["hidden_size"]) <= NARROW
    except (OSError, ValueError, KeyError, TypeError):
        return False
