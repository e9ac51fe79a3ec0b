"""Errors that a person can mend; the command line prints them without a stack."""


class LoadTestError(Exception):
    """Says what happened, where, and what to do."""
