"""Helpers shared by the commands."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from build_models.errors import BuildError
from build_models.progress import console


@contextmanager
def report_errors() -> Iterator[None]:
    """Print a ``BuildError`` or ``OSError`` in one line and exit with status 1."""
    try:
        yield
    except BuildError as error:
        raise fail(str(error)) from None
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        raise fail(f"{error.strerror or error}{place}") from None


def fail(message: str) -> typer.Exit:
    """Print an error message; raise the returned exception to exit with status 1."""
    console.print(f"error: {message}", style="red", highlight=False, soft_wrap=True, markup=False)
    return typer.Exit(1)


def split_list(values: str | None) -> tuple[str, ...] | None:
    """Split a list such as ``"swa,hau"`` at its commas; None stays None."""
    return tuple(part.strip() for part in values.split(",")) if values else None
