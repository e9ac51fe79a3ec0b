"""Waits for what other processes do, for so long and no longer."""

import subprocess
import time
from collections.abc import Callable

import httpx


def eventually(holds: Callable[[], object], seconds: float = 10, pause: float = 0.01) -> bool:
    """Whether it holds within so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def wait_for_answer(
    process: subprocess.Popen[bytes], url: str, seconds: float, complaint: Callable[[], str] = lambda: ""
) -> None:
    """Until the address answers 200; ``complaint`` is said where the process ends or the time is over before."""
    deadline = time.monotonic() + seconds
    while True:
        assert process.poll() is None, f"the process ended before {url} answered\n{complaint()}"
        assert time.monotonic() < deadline, f"{url} did not answer 200 within {seconds:g} s\n{complaint()}"
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
