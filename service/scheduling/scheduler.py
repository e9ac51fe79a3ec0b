"""Fair scheduling: requests are split into small steps, and the request with the least service goes next.

Start-time fair queueing (Goyal et al. 1996) at two levels, with several concurrent steps (Jin et al. 2004). Flows, one
per variant, share the machine's time, and so do the jobs of a flow. A slow variant with many requests gets only its
share, and a short request that arrives during a long document waits for one step. Concurrent steps share each second.
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
"""The flow of work that no client of /ner waits for."""

WEIGHTS = {BACKGROUND: 0.1}
"""Weight of the background flow relative to a variant's."""

REST = 3.0
"""Under load, the background pauses for this multiple of its last step, so that the event loop can get the GIL."""

LEAST_REST_SECONDS = 0.005
"""Minimum pause of the background; shorter ones would wake a thread too often."""

LIVE_SECONDS = 0.1
"""The service is under load for this long after the last request."""

TURN_SECONDS = 0.005
"""Duration of a turn of the background when nothing else runs; it checks for requests between steps."""


class Job(Generic[T]):
    """Work in steps. ``queue_seconds`` is the time from submission to the first step, ``used_seconds`` the time in
    steps, and ``waited_seconds`` the rest of the job's duration.
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

        # RuntimeError: the event loop is closed.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(settle)


Finished = tuple[object, Exception | None]
"""The result or error of a job."""


class Flow:
    """The jobs of one variant. ``start`` is the start tag of its next step in virtual time."""

    def __init__(self, weight: float):
        self.weight = weight
        self.start = 0.0
        self.jobs = 0
        self.share = Share()
        self.ready: list[tuple[float, int, Job[object]]] = []


class Worker:
    """A thread that runs steps. It waits for ``bell`` while idle."""

    def __init__(self, work: Callable[["Worker"], None], name: str):
        self.bell = threading.Lock()
        self.bell.acquire()
        self.thread = threading.Thread(target=work, args=(self,), name=name, daemon=True)
        self.thread.start()


class Scheduler:
    """Runs the steps of submitted jobs on ``slots`` threads."""

    def __init__(self, slots: int):
        self._background = Flow(WEIGHTS[BACKGROUND])
        self._flows: dict[str, Flow] = {BACKGROUND: self._background}
        self._share = Share()
        self._machine = Machine()
        self._order = itertools.count()
        self._waiting = 0
        self._lock = threading.Lock()
        # A stack: the thread that was active last has warm caches.
        self._idle: list[Worker] = []
        self._background_at_work = False
        self._last_request = float("-inf")
        self._rest_until = float("-inf")
        self._closed = False
        self._workers = [Worker(self._work, f"inference-{slot}") for slot in range(slots)]

    async def run(self, steps: Generator[None, None, T], timeout: float, flow: str = "") -> tuple[T, Job[T]]:
        """Run all steps; return the result and the job with its times.

        Raises ``TimeoutError`` after ``timeout`` seconds, and whatever a step raises. No further steps run after a
        timeout or if the caller is cancelled.
        """
        job = Job(steps, asyncio.get_running_loop())
        with self._lock:
            if flow != BACKGROUND:
                self._last_request = job.submitted
            self._submit(job, self._flows.setdefault(flow, Flow(WEIGHTS.get(flow, 1.0))))
        try:
            # wait_for would wake the caller one iteration of the event loop later.
            async with asyncio.timeout(timeout):
                return await job.done, job
        finally:
            job.cancelled = True

    def close(self) -> None:
        """Stop the threads after their current steps."""
        with self._lock:
            self._closed = True
            while self._idle:
                self._idle.pop().bell.release()
        for worker in self._workers:
            worker.thread.join()

    def _submit(self, job: Job[T], flow: Flow) -> None:
        if not flow.jobs:
            # Idle flows do not accumulate credit.
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
        """The next flow, or None and the seconds until the background may run (None: not before the next event)."""
        ready = [flow for flow in self._flows.values() if flow.ready]
        wait = None
        if self._background in ready and (wait := self._wait_of_background()) != 0:
            ready.remove(self._background)
        return (min(ready, key=lambda flow: flow.start), None) if ready else (None, wait)

    def _wait_of_background(self) -> float | None:
        """Seconds until the background may run; None: not before a step has ended.

        It runs one step at a time, so that it never takes all threads. While requests run, it runs only if it has had
        less than its share.
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
        """After a timeout: leave the idle list, or consume the bell if it was just rung."""
        with self._lock:
            if worker in self._idle:
                self._idle.remove(worker)
            else:
                worker.bell.acquire()

    def _take_step(self, flow: Flow, job: Job[object], started: float) -> Finished | None:
        """Run a step; returns the job's result or error if it was the last one."""
        if job.used_seconds == 0.0:
            job.queue_seconds = started - job.submitted
        try:
            if job.cancelled:
                job.steps.close()
                return None, None
            next(job.steps)
            while self._undisturbed(flow) and not job.cancelled and time.perf_counter() < started + TURN_SECONDS:
                next(job.steps)
        except StopIteration as stop:
            return stop.value, None
        except Exception as error:
            return None, error
        except BaseException as error:
            # A panic of a library in Rust is no Exception. It must not end this thread, nor the event loop.
            failure = RuntimeError(f"a step ended with {type(error).__name__}")
            failure.__cause__ = error
            return None, failure
        return None

    def _undisturbed(self, flow: Flow) -> bool:
        """Whether this is the background and no request waits, runs or came recently.

        Read without the lock: a request that arrives right now waits for one step in any case.
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
        """Charge a step to its job and flow, and queue the job again unless it has ``finished``.

        The step started at ``began`` in machine time and at ``started`` by ``perf_counter``.
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
                # No thread is woken: this one takes the next step.
                self._push(flow, start + elapsed, job)
                return
            flow.share.leave(1.0)
            flow.jobs -= 1
            if not flow.jobs:
                self._share.leave(flow.weight)
