"""What can go wrong while files are annotated."""


class AnnotationError(Exception):
    """The run cannot begin or go on; the message says what to do."""


class Stopped(Exception):
    """The run was asked to stop. What it has written stays."""


class InputError(Exception):
    """An input that cannot be read, or not to its end. The others go on."""


class Problem(Exception):
    """A document that cannot be annotated. The others go on."""
