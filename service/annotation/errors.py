"""Errors of file annotation."""


class AnnotationError(Exception):
    """The run cannot start or continue; the message says what to do."""


class Stopped(Exception):
    """The run was asked to stop. What it has written stays."""


class InputError(Exception):
    """An input that cannot be read completely. Other inputs are not affected."""


class Problem(Exception):
    """A document that cannot be annotated. Other documents are not affected."""
