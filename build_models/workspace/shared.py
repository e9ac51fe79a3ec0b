"""Stages shared by many cells and processes, so that each model is fine-tuned only once."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from build_models.workspace.workspace import Workspace, key_of, lock


class SharedWorkspace(Workspace):
    """A workspace that keeps all results, in folders named by their inputs."""

    def stage(self, name: str, inputs: Mapping[str, Any], run: Callable[[Path, Path], None]) -> Path:
        """As ``Workspace.stage``; if another process is running the stage, wait for its result."""
        own = self.folder / f"{name}-{key_of(inputs)[:16]}"
        with lock(own.with_suffix(".lock"), wait=True):
            return Workspace(own).stage(name, inputs, run)
