"""Errors that a person can mend; the command line prints them without a stack."""

from collections.abc import Iterable


class BuildError(Exception):
    """Says what happened, where, and what to do."""


class DataError(BuildError):
    """Labelled data that cannot be used; the message names file and line."""


def refuse_unknown(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise ``BuildError`` for names of variants that are not among the known ones, which it lists."""
    known = list(known)
    unknown = sorted(set(names).difference(known))
    if unknown:
        raise BuildError(f"There is no variant {', '.join(unknown)}. Choose from: {', '.join(known)}.")
