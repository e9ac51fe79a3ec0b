"""Progress bars on a terminal, one line per stage elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

console = Console(stderr=True)
_BEGAN = time.monotonic()


class Advance(Protocol):
    """Advances a progress bar by ``steps`` and shows ``note``, such as the current loss."""

    def __call__(self, steps: int = 1, note: str = "") -> None: ...


@contextmanager
def progress(title: str, total: int, done: int = 0) -> Iterator[Advance]:
    """Show a progress bar that starts at ``done`` of ``total`` steps."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal or console.quiet) as bar:
        task = bar.add_task(title, total=total, completed=done, note="")

        def advance(steps: int = 1, note: str = "") -> None:
            bar.update(task, advance=steps, note=note)

        yield advance


@contextmanager
def silence() -> Iterator[None]:
    """Suppress all progress output inside the block."""
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


def say(message: str) -> None:
    """Print one line to stderr with the seconds since the start."""
    elapsed = time.monotonic() - _BEGAN
    console.print(f"{elapsed:7.1f} s  {message}", highlight=False, soft_wrap=True, markup=False)


def print_table(table: Table) -> None:
    """Print a result table to stdout, 120 columns wide if stdout is not a terminal."""
    Console(width=None if console.is_terminal else 120).print(table)
