"""Starts the real service as users do, in a process of its own, on a free port of the loopback address."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests import ROOT

START_SECONDS = 90


class Server:
    """A running service."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path):
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.log = log

    def ner(self, variant: str, **body: Any) -> httpx.Response:
        return httpx.post(f"{self.url}/ner", params={"variant": variant}, json=body, timeout=60)

    def variants(self) -> dict[str, dict[str, Any]]:
        return {entry["name"]: entry for entry in httpx.get(f"{self.url}/variants", timeout=10).json()}

    def worker(self) -> psutil.Process:
        """The process that answers; the one that was started supervises it."""
        (worker,) = (
            child
            for child in psutil.Process(self.process.pid).children()
            if "_bentoml_impl.worker.service" in child.cmdline()
        )
        return worker

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"not ready after {START_SECONDS} s: {self.log.read_text()}")


@contextmanager
def serving(
    artifacts: Path | None,
    log: Path,
    folder: Path = ROOT,
    target: str = "service:NerService",
    *,
    command: Sequence[str] = (),
    wait: bool = True,
    **environment: str,
) -> Iterator[Server]:
    """``bentoml serve`` of the target until the block ends; its whole process group is gone afterwards.

    Another ``command`` takes --host and --port, too; without ``artifacts``, it finds some itself. Who starts several
    need not ``wait`` for the first before the second, but for all of them.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = command or [sys.executable, "-m", "bentoml", "serve", target]
    named = {} if artifacts is None else {"NER_ARTIFACTS": str(artifacts)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env={**os.environ, **named, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process, port, log)
    try:
        if wait:
            server.wait_until_ready()
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
