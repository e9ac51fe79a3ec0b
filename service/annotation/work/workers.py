"""The pool of worker processes; each thread that annotates documents has its own process."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import service
from service.annotation.errors import AnnotationError
from service.annotation.work.frames import receive, send
from service.settings import NATIVE_ENVIRONMENT

CLOSING_SECONDS = 10.0
ATTEMPTS = 3
"""To start a worker."""


class Reply(NamedTuple):
    """What is to be written for each document, and by number the problems of those that have none."""

    parts: list[bytes]
    problems: dict[int, str]


class WorkerEnded(Exception):
    """A worker process has ended before it answered."""


class Worker:
    """A worker process for one ``task``. Raises ``AnnotationError`` if it cannot perform the task, or
    ``WorkerEnded``.
    """

    def __init__(self, task: dict[str, Any]):
        folders = [str(Path(service.__file__).parents[1]), os.environ.get("PYTHONPATH")]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "service.annotation.work.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, folders)),
                "OMP_NUM_THREADS": "1",
                **NATIVE_ENVIRONMENT,
            },
        )
        self.greeting = self.ask({**task, "started": time.monotonic()})[0]
        if error := self.greeting.get("error"):
            self.close()
            raise AnnotationError(error)

    def ask(self, header: dict[str, Any], blob: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Send a message and wait for the answer. Raises ``WorkerEnded``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            send(self._process.stdin, header, blob)
            answer = receive(self._process.stdout)
        except (OSError, ValueError):
            answer = None
        if answer is None:
            self.close()
            status = self._process.returncode
            raise WorkerEnded(f"was killed by signal {-status}" if status < 0 else f"ended with status {status}")
        return answer

    def close(self) -> None:
        """End the process by closing its input."""
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()
        try:
            self._process.wait(CLOSING_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def kill(self) -> None:
        self._process.kill()


class Workers:
    """Workers of one task, started when their threads first need them, and again when they end."""

    def __init__(self, task: dict[str, Any]):
        self._task = task
        self._own = threading.local()
        self._all: list[Worker] = []
        self._closed = False
        self.restarts = 0

    def run(self, fields: Sequence[str], payloads: Sequence[bytes]) -> Reply:
        """Annotate documents in this thread's worker. If it dies, the documents are retried one by one."""
        try:
            return self._ask(fields, payloads)
        except WorkerEnded:
            pass
        parts: list[bytes] = []
        problems: dict[int, str] = {}
        for place, (field, payload) in enumerate(zip(fields, payloads, strict=True)):
            try:
                reply = self._ask([field], [payload])
                parts += reply.parts
                if reply.problems:
                    problems[place] = reply.problems[0]
            except WorkerEnded as ended:
                parts.append(b"")
                problems[place] = f"the worker process {ended} on this document: is there enough memory?"
        return Reply(parts, problems)

    def _ask(self, fields: Sequence[str], payloads: Sequence[bytes]) -> Reply:
        worker: Worker | None = getattr(self._own, "worker", None)
        if worker is None:
            worker = self._own.worker = start_worker(self._task)
            self._all.append(worker)
        if self._closed:
            worker.kill()
        try:
            header, blob = worker.ask({"fields": fields}, b"\n".join(payloads))
        except WorkerEnded:
            self._own.worker = None
            self._all.remove(worker)
            if self._closed:
                raise AnnotationError("stopped") from None
            self.restarts += 1
            raise
        parts, start = [], 0
        for length in header["lengths"]:
            parts.append(blob[start : start + length])
            start += length
        return Reply(parts, {int(place): problem for place, problem in header["problems"].items()})

    @property
    def import_seconds(self) -> float:
        """What the slowest worker took to start and import; for measurements."""
        return max((worker.greeting["import_seconds"] for worker in self._all), default=0.0)

    def close(self) -> None:
        """End the processes at once: they hold nothing, and leaving in good order would take a tenth of a second."""
        self._closed = True
        for worker in list(self._all):
            worker.kill()
            worker.close()


def start_worker(task: dict[str, Any]) -> Worker:
    """A worker, after some attempts. Raises ``AnnotationError``."""
    for _ in range(ATTEMPTS):
        try:
            return Worker(task)
        except WorkerEnded as error:
            ended = error
    raise AnnotationError(f"a worker process could not start: it {ended}; is there enough memory?")


def choose_variant(wish: dict[str, Any]) -> dict[str, str]:
    """Choose the variant that fits a wish in a separate process, which frees the memory of all variants that it
    loads.
    """
    worker = start_worker(wish)
    worker.close()
    return worker.greeting
