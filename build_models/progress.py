"""Progress bars with an estimate on a terminal; a line for each stage where the output is none."""

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
    """Called after each step, with how many steps it was and, if there is one, a note such as the loss."""

    def __call__(self, steps: int = 1, note: str = "") -> None: ...


@contextmanager
def progress(title: str, total: int, done: int = 0) -> Iterator[Advance]:
    """Show how far a long step is, beginning at ``done`` of ``total``."""
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
    """Show nothing of what goes on inside."""
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


def say(message: str) -> None:
    """One line to the person who runs the build, with the seconds since it began."""
    elapsed = time.monotonic() - _BEGAN
    console.print(f"{elapsed:7.1f} s  {message}", highlight=False, soft_wrap=True, markup=False)


def print_table(table: Table) -> None:
    """A result, on the standard output; where that is no terminal, wide enough for every column."""
    Console(width=None if console.is_terminal else 120).print(table)
