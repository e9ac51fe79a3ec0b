"""Starts servers for measurements on free loopback ports."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
START_SECONDS = 180


@contextlib.contextmanager
def server(
    command: Sequence[str], port: int, log: Path, hopeless: Callable[[], bool] = lambda: False, **environment: str
) -> Iterator[int]:
    """Run a server in its own process group until the block ends; yields the id of its first process.

    Raises ``SystemExit`` if it does not start, at once if ``hopeless`` says so.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(port):
            if process.poll() is not None or hopeless() or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command)} did not start: see {log}")
            time.sleep(0.5)
        yield process.pid
    finally:
        try:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Also kill the rest of its group: LitServe's workers outlive it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def memory_of(process: int) -> tuple[int, int]:
    """Resident and proportional bytes of a process and its descendants. Raises ``psutil.Error`` once it has ended."""
    first = psutil.Process(process)
    full = [one.memory_full_info() for one in (first, *first.children(recursive=True))]
    return sum(one.rss for one in full), sum(one.pss for one in full)


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
