"""Execution engines, one module each. Their heavy imports happen only when a variant that needs them loads."""

import importlib
from pathlib import Path
from typing import cast

from service.pipeline import Runtime
from service.variants import Runtime as RuntimeName


def load_runtime(name: RuntimeName, folder: Path, threads: int) -> Runtime:
    """Load the artefact in ``folder``. Every runtime module has ``load(folder, threads)``."""
    return cast(Runtime, importlib.import_module(f"service.runtimes.{name}").load(folder, threads))
