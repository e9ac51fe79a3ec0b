"""Errors that the user can fix; the command line prints them without a traceback."""


class LoadTestError(Exception):
    """Says what happened, where, and what to do."""
