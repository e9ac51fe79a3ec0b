"""Errors that a person can mend; the command line prints them without a stack."""


class BuildError(Exception):
    """Says what happened, where, and what to do."""


class DataError(BuildError):
    """Labelled data that cannot be used; the message names file and line."""
