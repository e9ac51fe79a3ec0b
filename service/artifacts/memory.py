"""Returns freed memory to the operating system."""

import contextlib
import ctypes
from collections.abc import Callable
from functools import cache


@cache
def _trim() -> Callable[[int], int] | None:
    """glibc's ``malloc_trim``; None where the C library is another one."""
    with contextlib.suppress(OSError, AttributeError):
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
        return trim
    return None


def give_back() -> None:
    """Return freed memory to the system, which glibc does not do by itself for most of it.

    ONNX Runtime frees a lot after loading a model: 1.7 GB for a pruned one with 125 M weights.
    """
    if (trim := _trim()) is not None:
        trim(0)
