"""Shares the processor among requests: many small steps, each given to the request that has had the least.

Start-time fair queueing (Goyal et al. 1996) at two levels. Flows, one for each variant, share the time, and so do the
jobs of a flow: a slow variant with many requests gets its share and no more, and a short request that arrives in the
middle of a long document waits for one step, not for the whole of the other.
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
    """Work in steps. ``queue_seconds`` is the time from submission to the first step."""

    def __init__(self, steps: Generator[None, None, T], loop: asyncio.AbstractEventLoop):
        self.steps = steps
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


class Share:
    """Virtual time: what every member that waits or runs should have had by now, for each unit of its weight."""

    def __init__(self) -> None:
        self.time = 0.0
        self._weight = 0.0

    def join(self, weight: float) -> None:
        self._weight += weight

    def leave(self, weight: float) -> None:
        self._weight -= weight

    def pass_on(self, elapsed: float) -> None:
        """It moves with every step, the last one of a job too: otherwise newcomers of one step each would always be
        before a long job.
        """
        self.time += elapsed / self._weight


class Flow:
    """The jobs of one variant. ``start`` is the flow's place among the flows, in their virtual time."""

    def __init__(self, weight: float):
        self.weight = weight
        self.start = 0.0
        self.jobs = 0
        self.share = Share()
        self.ready: list[tuple[float, int, Job[object]]] = []


class Scheduler:
    """``slots`` threads that take steps of the submitted jobs in turn."""

    def __init__(self, slots: int):
        self._flows: dict[str, Flow] = {}
        self._share = Share()
        self._order = itertools.count()
        self._waiting = 0
        self._changed = threading.Condition()
        self._last_request = float("-inf")
        self._rest_until = float("-inf")
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"inference-{slot}", daemon=True) for slot in range(slots)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, steps: Generator[None, None, T], timeout: float, flow: str = "") -> tuple[T, Job[T]]:
        """Take the steps to their end and return the result and the job with its times. Flows share the time.

        Raises ``TimeoutError`` after ``timeout`` seconds; then, and if the caller is cancelled, no further step is
        taken. What a step raises is raised here.
        """
        job = Job(steps, asyncio.get_running_loop())
        with self._changed:
            if flow != BACKGROUND:
                self._last_request = job.submitted
            self._submit(job, self._flows.setdefault(flow, Flow(WEIGHTS.get(flow, 1.0))))
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

    def _submit(self, job: Job[T], flow: Flow) -> None:
        if not flow.jobs:
            # What it did not use while it had nothing to do is not made up for.
            flow.start = max(flow.start, self._share.time)
            self._share.join(flow.weight)
        flow.jobs += 1
        flow.share.join(1.0)
        self._push(flow, flow.share.time, job)

    def _push(self, flow: Flow, start: float, job: Job[object] | Job[T]) -> None:
        heapq.heappush(flow.ready, (start, next(self._order), job))  # type: ignore[misc]
        self._waiting += 1
        self._changed.notify()

    def _wait_for_flow(self) -> Flow | None:
        """The flow whose turn it is, as soon as there is one; None when the scheduler is closed."""
        while not self._closed:
            ready = [flow for flow in self._flows.values() if flow.ready]
            rest = self._rest_until - time.perf_counter()
            # While it rests the background has no turn, so that it holds up nobody whose turn comes after its own.
            awake = [flow for flow in ready if rest <= 0 or flow is not self._flows.get(BACKGROUND)]
            if awake:
                return min(awake, key=lambda flow: flow.start)
            self._changed.wait(rest if ready else None)
        return None

    def _work(self) -> None:
        while True:
            with self._changed:
                flow = self._wait_for_flow()
                if flow is None:
                    return
                start, _, job = heapq.heappop(flow.ready)
                self._waiting -= 1
                self._share.time = max(self._share.time, flow.start)
                flow.share.time = max(flow.share.time, start)
            if job.cancelled:
                job.steps.close()
                self._charge(flow, job, start, 0.0, ended=True)
                continue
            started = time.perf_counter()
            if job.used_seconds == 0.0:
                job.queue_seconds = started - job.submitted
            ended, result, failure = True, None, None
            try:
                next(job.steps)
                while self._alone(flow) and not job.cancelled and time.perf_counter() < started + TURN_SECONDS:
                    next(job.steps)
            except StopIteration as stop:
                result = stop.value
            except Exception as error:
                failure = error
            else:
                ended = False
            self._charge(flow, job, start, time.perf_counter() - started, ended)
            if ended:
                job.finish(result, failure)

    def _alone(self, flow: Flow) -> bool:
        """Whether this is the background and nobody else waits or keeps coming. Read without the lock: whoever comes
        right now waits for one step, as always.
        """
        return (
            flow is self._flows.get(BACKGROUND)
            and not self._waiting
            and time.perf_counter() > self._last_request + LIVE_SECONDS
        )

    def _charge(self, flow: Flow, job: Job[object], start: float, elapsed: float, ended: bool) -> None:
        """Note what a step took, and queue the job again unless it has ended."""
        job.used_seconds += elapsed
        with self._changed:
            self._share.pass_on(elapsed)
            flow.share.pass_on(elapsed)
            flow.start += elapsed / flow.weight
            now = time.perf_counter()
            if flow is self._flows.get(BACKGROUND) and now < self._last_request + LIVE_SECONDS:
                self._rest_until = now + max(REST * elapsed, LEAST_REST_SECONDS)
            if not ended:
                self._push(flow, start + elapsed, job)
                return
            flow.share.leave(1.0)
            flow.jobs -= 1
            if not flow.jobs:
                self._share.leave(flow.weight)
