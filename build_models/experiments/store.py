"""Stages that many cells share, in this process and in others: the fine-tuned model is trained once for all of them."""

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from build_models.workspace import Workspace, key_of


class SharedWorkspace(Workspace):
    """A workspace that keeps every result, each in a folder named by its inputs."""

    def stage(self, name: str, inputs: Mapping[str, Any], run: Callable[[Path, Path], None]) -> Path:
        """As in a build. Where another process is at it, waits for what that makes."""
        own = self.folder / f"{name}-{key_of(inputs)[:16]}"
        with locked(own.with_suffix(".lock")):
            return Workspace(own).stage(name, inputs, run)


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[None]:
    """Hold a lock that goes with the process, however that ends.

    Raises ``BlockingIOError`` if another one has it and ``wait`` is False.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
