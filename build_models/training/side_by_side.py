"""Two things at the same time. A model this narrow gains little from a second thread, a second model all of it."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from build_models.progress import console, say

PARENT_DEATH_SIGNAL = 1
"""Of Linux's prctl: which signal a process gets when its parent ends."""

_other: int | None = None
"""The process that does the second thing, while there is one."""


def side_by_side(first: Callable[[], object], second: Callable[[], object], threads: int, title: str) -> None:
    """Do both, each on one thread, the second without a word in a process of its own; then go on with ``threads``.

    What the second does, ``title`` to people, must be kept on disk, and what it fails at must come up again when it is
    next asked for: nothing else comes back from it. It ends with this process, however that ends.
    """
    global _other
    torch.set_num_threads(1)
    # Whatever waits to be written would be written by both.
    sys.stdout.flush()
    sys.stderr.flush()
    this = os.getpid()
    other = os.fork()
    if other == 0:
        _work_and_leave(second, this)
    _other = other
    try:
        first()
        # Only looked at: it is reaped below, and until then its number is nobody else's.
        if os.waitid(os.P_PID, other, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            say(f"{title}: waiting for what is done in another process")
    except BaseException:
        os.kill(other, signal.SIGKILL)
        raise
    finally:
        _other = None
        _, status = os.waitpid(other, 0)
        torch.set_num_threads(threads)
    if status:
        say(f"{title}: the other process ended early ({os.waitstatus_to_exitcode(status)}); once more in this one")


@contextmanager
def alone() -> Iterator[None]:
    """Stop the other process meanwhile, if there is one, so that what is timed has the machine for itself."""
    if _other is None:
        yield
        return
    os.kill(_other, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(_other, signal.SIGCONT)


def _work_and_leave(work: Callable[[], object], parent: int) -> None:
    """Run in the new process; never returns, for its stack is the other's."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
        # It may have ended before it could be told.
        if os.getppid() == parent:
            console.quiet = True
            work()
            code = 0
    finally:
        os._exit(code)
