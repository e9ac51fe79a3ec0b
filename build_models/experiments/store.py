"""Stages that many cells share, in this process and in others: the fine-tuned model is trained once for all of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from build_models.workspace.workspace import Workspace, key_of, lock


class SharedWorkspace(Workspace):
    """A workspace that keeps every result, each in a folder named by its inputs."""

    def stage(self, name: str, inputs: Mapping[str, Any], run: Callable[[Path, Path], None]) -> Path:
        """As in a build. Where another process is at it, waits for what that makes."""
        own = self.folder / f"{name}-{key_of(inputs)[:16]}"
        with lock(own.with_suffix(".lock"), wait=True):
            return Workspace(own).stage(name, inputs, run)
