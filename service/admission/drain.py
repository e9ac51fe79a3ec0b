"""Shutting down without losing a request in flight."""

import functools
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from service.admission.admission import Admission


def drain_on(signal_number: int, admission: Admission) -> None:
    """On this signal refuse new requests, let those in flight finish, then do what the signal did before."""
    previous = signal.getsignal(signal_number)

    def drain(number: int, frame: FrameType | None) -> None:
        admission.draining = True
        then: Callable[[], object]
        if callable(previous):
            then = functools.partial(previous, number, frame)
        elif previous is signal.SIG_DFL:
            # A default action cannot be called: restore it and send the signal again. Only the main thread, which runs
            # this handler, may restore it, so a second signal ends the process at once.
            signal.signal(number, signal.SIG_DFL)
            then = functools.partial(os.kill, os.getpid(), number)
        else:
            return
        threading.Thread(target=_when_idle, args=(admission, then), daemon=True).start()

    signal.signal(signal_number, drain)


def _when_idle(admission: Admission, then: Callable[[], object]) -> None:
    deadline = time.monotonic() + admission.settings.timeout_seconds
    while admission.in_flight and time.monotonic() < deadline:
        time.sleep(0.02)
    then()
