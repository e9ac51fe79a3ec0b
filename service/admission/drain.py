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
    """On this signal refuse new requests, let those in flight finish, then do what the signal did before.

    A second Ctrl-C does that at once, but a second SIGTERM does not: a service manager may send it to every process of
    a group, and the supervisor among them passes it on.
    """
    previous = signal.getsignal(signal_number)

    def drain(number: int, frame: FrameType | None) -> None:
        interrupted_again = admission.draining and number == signal.SIGINT
        admission.draining = True
        then: Callable[[], object]
        if previous in (signal.SIG_DFL, signal.default_int_handler):
            # These act only in the main thread: restore them and send the signal again. Only the main thread, which
            # runs this handler, may restore them, so a second signal ends the process at once.
            signal.signal(number, previous)
            then = functools.partial(os.kill, os.getpid(), number)
        elif callable(previous):
            then = functools.partial(previous, number, frame)
        else:
            return
        if interrupted_again:
            then()
        else:
            threading.Thread(target=_when_idle, args=(admission, then), daemon=True).start()

    signal.signal(signal_number, drain)


def _when_idle(admission: Admission, then: Callable[[], object]) -> None:
    deadline = time.monotonic() + admission.settings.timeout_seconds
    while admission.in_flight and time.monotonic() < deadline:
        time.sleep(0.02)
    then()
