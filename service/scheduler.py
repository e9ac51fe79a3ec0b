"""Shares the processor among requests: many small steps, each given to the request that has had the least.

Start-time fair queueing (Goyal et al. 1996): a long document or a slow variant gets its share of the time and no
more, and a short request that arrives in the middle waits for one step, not for the whole of the other.
"""

import asyncio
import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Generator
from typing import Generic, TypeVar

T = TypeVar("T")

BACKGROUND = 0.1
"""Weight of work that nobody waits for as for an answer: beside a request it gets a tenth of the request's time."""


class Job(Generic[T]):
    """Work in steps. ``queue_seconds`` is the time from submission to the first step."""

    def __init__(self, steps: Generator[None, None, T], loop: asyncio.AbstractEventLoop, weight: float):
        self.steps = steps
        self.weight = weight
        self.loop = loop
        self.done: asyncio.Future[T] = loop.create_future()
        self.cancelled = False
        self.submitted = time.perf_counter()
        self.queue_seconds = 0.0
        self.used_seconds = 0.0

    def finish(self, result: T | None, error: BaseException | None) -> None:
        def settle() -> None:
            if self.done.done():
                return
            if error is not None:
                self.done.set_exception(error)
            else:
                self.done.set_result(result)  # type: ignore[arg-type]

        # RuntimeError: the event loop is closed, nobody waits any more.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(settle)


class Scheduler:
    """``slots`` threads that take steps of the submitted jobs in turn."""

    def __init__(self, slots: int):
        self._ready: list[tuple[float, int, Job[object]]] = []
        self._order = itertools.count()
        self._virtual_time = 0.0
        self._weight = 0.0
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"inference-{slot}", daemon=True) for slot in range(slots)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, steps: Generator[None, None, T], timeout: float, weight: float = 1.0) -> tuple[T, Job[T]]:
        """Take the steps to their end and return the result and the job with its times. Jobs share time by weight.

        Raises ``TimeoutError`` after ``timeout`` seconds; then, and if the caller is cancelled, no further step is
        taken. What a step raises is raised here.
        """
        job = Job(steps, asyncio.get_running_loop(), weight)
        with self._changed:
            self._weight += weight
            self._push(self._virtual_time, job)
        try:
            return await asyncio.wait_for(job.done, timeout), job
        finally:
            job.cancelled = True

    def close(self) -> None:
        """Stop the threads after the steps that they are taking."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _push(self, virtual_start: float, job: Job[object] | Job[T]) -> None:
        heapq.heappush(self._ready, (virtual_start, next(self._order), job))  # type: ignore[misc]
        self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._ready and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                virtual_start, _, job = heapq.heappop(self._ready)
                self._virtual_time = max(self._virtual_time, virtual_start)
            if job.cancelled:
                job.steps.close()
                self._charge(job, virtual_start, 0.0, ended=True)
                continue
            started = time.perf_counter()
            if job.used_seconds == 0.0:
                job.queue_seconds = started - job.submitted
            ended, result, failure = True, None, None
            try:
                next(job.steps)
            except StopIteration as stop:
                result = stop.value
            except Exception as error:
                failure = error
            else:
                ended = False
            self._charge(job, virtual_start, time.perf_counter() - started, ended)
            if ended:
                job.finish(result, failure)

    def _charge(self, job: Job[object], virtual_start: float, elapsed: float, ended: bool) -> None:
        """Note what a step took, and queue the job again unless it has ended."""
        job.used_seconds += elapsed
        with self._changed:
            # Virtual time is the share that every waiting or running job should have had by now. It moves with every
            # step, the last one of a job too: otherwise newcomers of one step each would always be before a long job.
            self._virtual_time += elapsed / self._weight
            if ended:
                self._weight -= job.weight
            else:
                self._push(virtual_start + elapsed / job.weight, job)
