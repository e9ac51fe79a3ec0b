"""Answers requests with the pool's variants: admission, time limit, fair turns, and the times that it took."""

import asyncio
import functools
import math
import os
import platform
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from importlib.metadata import PackageNotFoundError, version
from types import FrameType
from typing import TypeVar

from service.admission.backlog import Backlog, Size, size_of
from service.artifacts.pool import VariantPool
from service.errors import Draining, Overloaded, TookTooLong, TooLarge
from service.inference.choice import Latencies
from service.ner.pipeline import Pipeline, Result
from service.ner.timing import Timer
from service.scheduling.scheduler import BACKGROUND, Job, Scheduler
from service.schemas.ner import EntityAnswer, NerAnswer, NerRequest, ResultAnswer, Timing
from service.settings import Settings, available_cpus
from service.telemetry.logs import note
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import add_phases

T = TypeVar("T")

READING_PER_PLACE = 4
"""Bodies that may be read at the same moment for each request that may be in flight."""


class Engine:
    """What the routes call. One for each process."""

    def __init__(self, settings: Settings, pool: VariantPool):
        self.settings = settings
        self.pool = pool
        self.metrics = Metrics()
        self.metrics.service.info(_facts(settings))
        self.latencies = Latencies()
        self._scheduler = Scheduler(settings.slots)
        self._backlog = Backlog(settings.slots, settings.max_wait_seconds)
        self._in_flight = 0
        self._reading = 0
        self._draining = False

    @property
    def ready(self) -> bool:
        """Whether requests are worth sending here: some variant answers and the server is not shutting down."""
        return self.pool.ready and not self._draining

    @property
    def has_time(self) -> bool:
        """Whether no request is in flight."""
        return not self._in_flight

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Take a place among the requests in flight. Raises ``Draining`` or ``Overloaded``."""
        self._refuse_if_draining()
        self._refuse_if_full()
        self._in_flight += 1
        self.metrics.in_flight.set(self._in_flight)
        try:
            yield
        finally:
            self._in_flight -= 1
            self.metrics.in_flight.set(self._in_flight)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Bound the reading of a body in time and in number. A request is in flight only once its body has come, so
        that slow clients take no place from others. Raises ``Draining``, ``Overloaded`` or ``TookTooLong``.
        """
        self._refuse_if_draining()
        # Sooner than admission would, for under overload most of the work is refusing.
        self._refuse_if_full()
        most = READING_PER_PLACE * self.settings.max_in_flight
        if self._reading >= most:
            raise Overloaded(
                f"{self._reading} bodies are being read, as many as are accepted. Try again in a moment.",
                {"max_bodies": most},
                {"Retry-After": "1"},
            )
        self._reading += 1
        self.metrics.reading.set(self._reading)
        limit = min(self.settings.body_timeout_seconds, self.settings.timeout_seconds)
        try:
            async with asyncio.timeout(limit):
                yield
        except TimeoutError:
            # Closed, because the rest of the body would be waited for.
            raise TookTooLong(
                f"The body took longer than {limit:g} seconds to come.",
                {"body_timeout_seconds": limit},
                {"Connection": "close"},
            ) from None
        finally:
            self._reading -= 1
            self.metrics.reading.set(self._reading)

    def _refuse_if_draining(self) -> None:
        if self._draining:
            raise Draining("The server is shutting down: ask another one.", headers={"Retry-After": "5"})

    def _refuse_if_full(self) -> None:
        if self._in_flight >= self.settings.max_in_flight:
            raise Overloaded(
                f"{self._in_flight} requests are in flight, as many as are accepted. Try again in a moment.",
                {"max_in_flight": self.settings.max_in_flight},
                {"Retry-After": "1"},
            )

    @contextmanager
    def queued(self, request: NerRequest, variant: str) -> Iterator[float]:
        """Count a request among those that others wait for; gives the estimate of its own wait. Raises ``Overloaded``
        if it might wait longer for its turns than any request should; a long document may wait longer by what it takes
        itself.
        """
        size = self._size(request, variant)
        estimate = self._backlog.estimate(variant, size)
        self._refuse_if_longer(self._backlog.wait(variant, estimate))
        with self._backlog.holding(variant, size):
            yield estimate

    def queued_for_each(self, request: NerRequest, variants: Sequence[str]) -> dict[str, ExitStack]:
        """The same for a request that several variants read one after the other: together they may wait so long. Each
        is counted until its place is closed.
        """
        sizes = {variant: self._size(request, variant) for variant in variants}
        # All before the first is held: its own work is nothing that a request waits for.
        self._refuse_if_longer(
            sum(self._backlog.wait(variant, self._backlog.estimate(variant, size)) for variant, size in sizes.items())
        )
        places = {variant: ExitStack() for variant in variants}
        for variant, size in sizes.items():
            places[variant].enter_context(self._backlog.holding(variant, size))
        return places

    def _size(self, request: NerRequest, variant: str) -> Size:
        return size_of(request, self.pool.get(variant).encoder.capacity)

    def _refuse_if_longer(self, wait: float) -> None:
        limit = self.settings.max_wait_seconds
        if wait > limit:
            raise Overloaded(
                f"With the requests in flight this one might wait {wait:.1f} seconds beyond its own time, more than"
                f" {limit:g}. Try again in a moment.",
                {"expected_wait_seconds": round(wait, 3), "max_wait_seconds": limit},
                {"Retry-After": str(math.ceil(wait - limit))},
            )

    async def recognize(self, request: NerRequest, variant: str, started: float, estimate: float = 0.0) -> NerAnswer:
        """Answer a request by one variant; ``started`` is the ``perf_counter`` of its first byte, ``estimate`` that of
        its wait, by which the next estimates get better.

        Raises ``UnknownVariant``, ``VariantNotReady``, ``TooLarge`` and ``TookTooLong``.
        """
        pipeline = self.pool.get(variant)
        self.check_size(request)
        timer = Timer()
        steps = _read(pipeline, request, timer)
        try:
            results, job = await self._scheduler.run(steps, self._seconds_left(started), variant)
        except TimeoutError:
            limit = self.settings.timeout_seconds
            raise TookTooLong(f"The request took longer than {limit:g} seconds.", {"timeout_seconds": limit}) from None
        size = size_of(request, pipeline.encoder.capacity)
        self._backlog.learn(variant, size, job.used_seconds)
        self._backlog.learn_wait(variant, estimate, job.waited_seconds - job.used_seconds)
        self._note(variant, pipeline, job, timer)
        return NerAnswer(
            variant=variant,
            digest=pipeline.digest,
            results=results,
            timing=Timing(
                queue_ms=milliseconds(job.queue_seconds),
                inference_ms=milliseconds(timer.inference_seconds),
                total_ms=milliseconds(time.perf_counter() - started),
            ),
        )

    async def run_in_background(self, steps: Generator[None, None, T], timeout: float) -> T:
        """Take steps that give way to requests. Raises ``TimeoutError``, and ``Draining`` when the server shuts down:
        nobody should have to wait for them then.
        """
        result, _ = await self._scheduler.run(self._until_draining(steps), timeout, BACKGROUND)
        return result

    async def recognize_in_background(self, request: NerRequest, variant: str) -> list[ResultAnswer]:
        """The results of one variant for a request that nobody waits for. Raises as ``run_in_background`` does."""
        steps = _read(self.pool.get(variant), request, Timer())
        return await self.run_in_background(steps, self.settings.timeout_seconds)

    def _until_draining(self, steps: Generator[None, None, T]) -> Generator[None, None, T]:
        while True:
            self._refuse_if_draining()
            try:
                next(steps)
            except StopIteration as stop:
                result: T = stop.value
                return result
            yield

    def _note(self, variant: str, pipeline: Pipeline, job: Job[list[ResultAnswer]], timer: Timer) -> None:
        """Tell metrics, log and trace where the time went."""
        self.metrics.observe(variant, job.queue_seconds, timer)
        add_phases(job.submitted, job.queue_seconds, timer)
        note(
            digest=pipeline.digest,
            pieces=timer.pieces,
            queue_ms=milliseconds(job.queue_seconds),
            tokenize_ms=milliseconds(timer.tokenize.seconds),
            inference_ms=milliseconds(timer.inference.seconds),
            decode_ms=milliseconds(timer.decode.seconds),
        )

    def _seconds_left(self, started: float) -> float:
        return max(0.0, self.settings.timeout_seconds - (time.perf_counter() - started))

    def check_size(self, request: NerRequest) -> None:
        """Raises ``TooLarge``."""
        limit, longest = self.settings.max_documents, self.settings.max_document_characters
        lengths = request.lengths
        if len(lengths) > limit:
            raise TooLarge(
                f"{len(lengths)} documents are more than the {limit} of one request.", {"max_documents": limit}
            )
        note(documents=len(lengths), characters=sum(lengths))
        for index, length in enumerate(lengths):
            if length > longest:
                raise TooLarge(
                    f"Document {index} has {length:,} characters, more than the {longest:,} of one document.",
                    {"document": index, "max_document_characters": longest},
                )

    def drain_on(self, signal_number: int) -> None:
        """On this signal refuse new requests, let those in flight finish, then do what the signal did before."""
        previous = signal.getsignal(signal_number)

        def drain(number: int, frame: FrameType | None) -> None:
            self._draining = True
            then: Callable[[], object]
            if callable(previous):
                then = functools.partial(previous, number, frame)
            elif previous is signal.SIG_DFL:
                # What the system does by default cannot be called: it is restored, and the signal sent again. Only
                # this thread, the main one, may restore it, so a second signal does not wait.
                signal.signal(number, signal.SIG_DFL)
                then = functools.partial(os.kill, os.getpid(), number)
            else:
                return
            threading.Thread(target=self._when_idle, args=(then,), daemon=True).start()

        signal.signal(signal_number, drain)

    def _when_idle(self, then: Callable[[], object]) -> None:
        deadline = time.monotonic() + self.settings.timeout_seconds
        while self._in_flight and time.monotonic() < deadline:
            time.sleep(0.02)
        then()

    def close(self) -> None:
        self._scheduler.close()


def _facts(settings: Settings) -> dict[str, str]:
    """What decides how fast the service is, for those who measure it."""
    return {
        "cpus": str(available_cpus()),
        "threads": str(settings.threads),
        "slots": str(settings.slots),
        "max_in_flight": str(settings.max_in_flight),
        "max_wait_seconds": f"{settings.max_wait_seconds:g}",
        "python": platform.python_version(),
        **{library: _version(library) for library in ("onnxruntime", "torch")},
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def _read(pipeline: Pipeline, request: NerRequest, timer: Timer) -> Generator[None, None, list[ResultAnswer]]:
    """Read the documents one after the other, yielding between steps."""
    answers = []
    if request.tokens is not None:
        for position, words in enumerate(request.tokens):
            if position:
                yield
            result = yield from pipeline.read_words(words, timer)
            answers.append(ResultAnswer(entities=_entities(result), labels=result.labels))
        return answers
    for position, text in enumerate(request.texts if request.texts is not None else [request.text or ""]):
        if position:
            yield
        result = yield from pipeline.read_text(text, timer)
        answers.append(ResultAnswer(entities=_entities(result)))
    return answers


def _entities(result: Result) -> list[EntityAnswer]:
    return [
        EntityAnswer.model_construct(**entity._replace(score=round(entity.score, 4))._asdict())
        for entity in result.entities
    ]


def milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
