"""Runs two trainings at the same time: a narrow model gains little from a second thread."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from build_models.progress import console, say

PARENT_DEATH_SIGNAL = 1
"""Linux's PR_SET_PDEATHSIG: the signal that a process gets when its parent exits."""

_other: int | None = None
"""Id of the second process while it runs."""


def side_by_side(first: Callable[[], object], second: Callable[[], object], threads: int, title: str) -> None:
    """Run ``first`` here and ``second`` silently in a forked process, on one thread each; then restore ``threads``.

    ``second`` (``title`` in messages) must save its result to disk. A failure of it is only logged, so the caller must
    be able to run it again. The forked process is killed when this one exits.
    """
    global _other
    torch.set_num_threads(1)
    # Otherwise both processes would write the buffered output.
    sys.stdout.flush()
    sys.stderr.flush()
    this = os.getpid()
    other = os.fork()
    if other == 0:
        _work_and_exit(second, this)
    _other = other
    try:
        first()
        # WNOWAIT: the process is reaped below, so its id cannot be reused before.
        if os.waitid(os.P_PID, other, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            say(f"{title}: waiting for the second process")
    except BaseException:
        os.kill(other, signal.SIGKILL)
        raise
    finally:
        _other = None
        _, status = os.waitpid(other, 0)
        torch.set_num_threads(threads)
    if status:
        say(f"{title}: the second process failed ({os.waitstatus_to_exitcode(status)}), running again in this one")


@contextmanager
def other_process_paused() -> Iterator[None]:
    """Pause the second process, if any, so that it does not distort timings."""
    if _other is None:
        yield
        return
    os.kill(_other, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(_other, signal.SIGCONT)


def _work_and_exit(work: Callable[[], object], parent: int) -> None:
    """Run ``work`` in the forked process and exit without unwinding the copied stack."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
        # The parent may have exited before prctl took effect.
        if os.getppid() == parent:
            console.quiet = True
            work()
            code = 0
    finally:
        os._exit(code)
