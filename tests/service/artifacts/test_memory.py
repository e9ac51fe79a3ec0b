"""Freed memory is returned to the operating system."""

import ctypes

import psutil
import pytest

from service.artifacts.memory import _trim, give_back

BLOCK, BLOCKS = 100_000, 2_000
"""Smaller than what glibc maps on its own, and 200 MB together."""


@pytest.mark.skipif(_trim() is None, reason="the C library is not glibc")
def test_freed_blocks_below_one_that_is_used_are_given_back() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    blocks = [library.malloc(BLOCK) for _ in range(BLOCKS)]
    for block in blocks:
        ctypes.memset(block, 1, BLOCK)
    # glibc releases free memory at the top of its heap without being asked, but not below a block in use.
    last = library.malloc(BLOCK)
    for block in blocks:
        library.free(block)
    before = psutil.Process().memory_info().rss
    give_back()
    given = before - psutil.Process().memory_info().rss
    library.free(last)
    assert given > 0.9 * BLOCK * BLOCKS
