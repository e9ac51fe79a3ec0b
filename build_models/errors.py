"""Errors that the user can fix; the command line prints them without a traceback."""

from collections.abc import Iterable


class BuildError(Exception):
    """Says what happened, where, and what to do."""


class DataError(BuildError):
    """Invalid labelled data; the message names the file and line."""


def refuse_unknown(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise ``BuildError``, which lists the valid choices, if any of the variants ``names`` is unknown."""
    known = list(known)
    unknown = sorted(set(names).difference(known))
    if unknown:
        raise BuildError(f"There is no variant {', '.join(unknown)}. Choose from: {', '.join(known)}.")
