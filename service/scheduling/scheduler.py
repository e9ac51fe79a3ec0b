"""Shares the processor among requests: many small steps, each given to the request that has had the least.

Start-time fair queueing (Goyal et al. 1996) at two levels, with several steps under way (Jin et al. 2004). Flows, one
for each variant, share the time, and so do the jobs of a flow: a slow variant with many requests gets its share and no
more, and a short request that arrives in the middle of a long document waits for one step, not for the whole of the
other.

What is shared is the machine's time: steps that are under way together share each second of it.
"""

import asyncio
import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

from service.scheduling.virtual_time import Machine, Share

T = TypeVar("T")

BACKGROUND = "background"
"""The flow of work that nobody waits for as for an answer."""

WEIGHTS = {BACKGROUND: 0.1}
"""Beside a variant's requests the background gets a tenth of their time."""

REST = 3.0
"""While requests keep coming, the background rests so many times as long as its last step took. Fair turns alone leave
no time between steps, and the thread that reads and writes requests would have to fight for Python's lock.
"""

LEAST_REST_SECONDS = 0.005
"""Shorter rests would wake a thread too often."""

LIVE_SECONDS = 0.1
"""Requests keep coming if the last one is no longer ago."""

TURN_SECONDS = 0.005
"""Where nobody else has anything to do, the background takes steps for so long in one turn: between two steps it only
looks whether somebody has come.
"""


class Job(Generic[T]):
    """Work in steps. ``queue_seconds`` is the time from submission to the first step, ``used_seconds`` what the steps
    took, and ``waited_seconds`` what the job took besides.
    """

    def __init__(self, steps: Generator[None, None, T], loop: asyncio.AbstractEventLoop):
        self.steps = steps
        self.loop = loop
        self.done: asyncio.Future[T] = loop.create_future()
        self.cancelled = False
        self.submitted = time.perf_counter()
        self.queue_seconds = 0.0
        self.used_seconds = 0.0
        self.waited_seconds = 0.0

    def finish(self, result: T | None, error: BaseException | None) -> None:
        self.waited_seconds = time.perf_counter() - self.submitted - self.used_seconds

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


Finished = tuple[object, Exception | None]
"""The result of a job, or what went wrong."""


class Flow:
    """The jobs of one variant. ``start`` is the flow's place among the flows, in their virtual time."""

    def __init__(self, weight: float):
        self.weight = weight
        self.start = 0.0
        self.jobs = 0
        self.share = Share()
        self.ready: list[tuple[float, int, Job[object]]] = []


class Worker:
    """A thread that takes steps. ``bell`` is what it waits for while there is nothing for it to do."""

    def __init__(self, work: Callable[["Worker"], None], name: str):
        self.bell = threading.Lock()
        self.bell.acquire()
        self.thread = threading.Thread(target=work, args=(self,), name=name, daemon=True)
        self.thread.start()


class Scheduler:
    """``slots`` threads that take steps of the submitted jobs in turn."""

    def __init__(self, slots: int):
        self._background = Flow(WEIGHTS[BACKGROUND])
        self._flows: dict[str, Flow] = {BACKGROUND: self._background}
        self._share = Share()
        self._machine = Machine()
        self._order = itertools.count()
        self._waiting = 0
        self._lock = threading.Lock()
        # The thread that was idle last is woken first: what it needs is in the caches yet.
        self._idle: list[Worker] = []
        self._background_at_work = False
        self._last_request = float("-inf")
        self._rest_until = float("-inf")
        self._closed = False
        self._workers = [Worker(self._work, f"inference-{slot}") for slot in range(slots)]

    async def run(self, steps: Generator[None, None, T], timeout: float, flow: str = "") -> tuple[T, Job[T]]:
        """Take the steps to their end and return the result and the job with its times. Flows share the time.

        Raises ``TimeoutError`` after ``timeout`` seconds; then, and if the caller is cancelled, no further step is
        taken. What a step raises is raised here.
        """
        job = Job(steps, asyncio.get_running_loop())
        with self._lock:
            if flow != BACKGROUND:
                self._last_request = job.submitted
            self._submit(job, self._flows.setdefault(flow, Flow(WEIGHTS.get(flow, 1.0))))
        try:
            # Not wait_for, which wakes the caller one turn of the event loop later.
            async with asyncio.timeout(timeout):
                return await job.done, job
        finally:
            job.cancelled = True

    def close(self) -> None:
        """Stop the threads after the steps that they are taking."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().bell.release()
        for worker in self._workers:
            worker.thread.join()

    def _submit(self, job: Job[T], flow: Flow) -> None:
        if not flow.jobs:
            # What it did not use while it had nothing to do is not made up for.
            flow.start = max(flow.start, self._share.time)
            self._share.join(flow.weight)
        flow.jobs += 1
        flow.share.join(1.0)
        self._push(flow, flow.share.time, job)
        if self._idle:
            self._idle.pop().bell.release()

    def _push(self, flow: Flow, start: float, job: Job[object] | Job[T]) -> None:
        heapq.heappush(flow.ready, (start, next(self._order), job))  # type: ignore[misc]
        self._waiting += 1

    def _next(self) -> tuple[Flow | None, float | None]:
        """The flow whose turn it is, or None and the seconds until there may be one unless something happens before."""
        ready = [flow for flow in self._flows.values() if flow.ready]
        wait = None
        if self._background in ready and (wait := self._wait_of_background()) != 0:
            # Without a turn it holds up nobody whose turn comes after its own.
            ready.remove(self._background)
        return (min(ready, key=lambda flow: flow.start), None) if ready else (None, wait)

    def _wait_of_background(self) -> float | None:
        """Seconds until the background may take its turn; None: not before a step has ended.

        It takes one step at a time, so that requests find a thread. While steps of requests are under way it has a turn
        only if it has had less than its share, or it would take every thread that they leave free.
        """
        if self._background_at_work or (self._machine.steps and self._background.start > self._share.time):
            return None
        return max(0.0, self._rest_until - time.perf_counter())

    def _work(self, worker: Worker) -> None:
        while True:
            with self._lock:
                closed = self._closed
                flow, wait = (None, None) if closed else self._next()
                if flow is not None:
                    start, _, job = heapq.heappop(flow.ready)
                    self._waiting -= 1
                    self._share.time = max(self._share.time, flow.start)
                    flow.share.time = max(flow.share.time, start)
                    self._background_at_work |= flow is self._background
                    began = self._machine.begin()
                    if self._idle and self._waiting > len(self._background.ready):
                        # Whoever left that request there has found something else to do.
                        self._idle.pop().bell.release()
                elif not closed:
                    self._idle.append(worker)
            if closed:
                return
            if flow is None:
                if not worker.bell.acquire(timeout=-1 if wait is None else wait):
                    self._leave_idle(worker)
                continue
            started = time.perf_counter()
            finished = self._take_step(flow, job, started)
            self._charge(flow, job, start, began, started, finished is not None)
            if finished is not None:
                job.finish(*finished)

    def _leave_idle(self, worker: Worker) -> None:
        """Nobody rang for it, or just now."""
        with self._lock:
            if worker in self._idle:
                self._idle.remove(worker)
            else:
                worker.bell.acquire()

    def _take_step(self, flow: Flow, job: Job[object], started: float) -> Finished | None:
        """What has finished, if this was the last one."""
        if job.used_seconds == 0.0:
            job.queue_seconds = started - job.submitted
        try:
            if job.cancelled:
                job.steps.close()
                return None, None
            next(job.steps)
            while self._alone(flow) and not job.cancelled and time.perf_counter() < started + TURN_SECONDS:
                next(job.steps)
        except StopIteration as stop:
            return stop.value, None
        except Exception as error:
            return None, error
        return None

    def _alone(self, flow: Flow) -> bool:
        """Whether this is the background and nobody else waits, is at work or keeps coming. Read without the lock:
        whoever comes right now waits for one step, as always.
        """
        return (
            flow is self._background
            and not self._waiting
            and self._machine.steps == 1
            and time.perf_counter() > self._last_request + LIVE_SECONDS
        )

    def _charge(
        self,
        flow: Flow,
        job: Job[object],
        start: float,
        began: float,
        started: float,
        finished: bool,
    ) -> None:
        """Note what a step took, since ``began`` of the machine's time and ``started`` by the clock, and queue the job
        again unless it has ``finished``.
        """
        with self._lock:
            elapsed = self._machine.end() - began
            now = time.perf_counter()
            job.used_seconds += now - started
            self._share.pass_on(elapsed)
            flow.share.pass_on(elapsed)
            flow.start += elapsed / flow.weight
            if flow is self._background:
                self._background_at_work = False
                if now < self._last_request + LIVE_SECONDS:
                    self._rest_until = now + max(REST * (now - started), LEAST_REST_SECONDS)
            if not finished:
                # Nobody is woken: who took this step looks for the next one, and rings if it takes another.
                self._push(flow, start + elapsed, job)
                return
            flow.share.leave(1.0)
            flow.jobs -= 1
            if not flow.jobs:
                self._share.leave(flow.weight)
