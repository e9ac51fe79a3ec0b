"""Runs the pipelines of the pool's variants for requests that have been admitted."""

import platform
import time
from collections import deque
from collections.abc import Generator, Sequence
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import TypeVar

from service.admission.admission import Admission, Visit
from service.admission.backlog import Size, size_of
from service.artifacts.pool import VariantPool
from service.errors import TookTooLong
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

RECENT, FEWEST = 200, 5
"""How many answers the median of a variant's inference time is of."""


class Engine:
    """What the routes call. One per process."""

    def __init__(self, settings: Settings, pool: VariantPool):
        self.settings = settings
        self.pool = pool
        self.metrics = Metrics()
        self.metrics.service.info(_facts(settings))
        self.latencies = Latencies()
        self._inference_seconds: dict[str, tuple[str, deque[float]]] = {}
        self.admission = Admission(settings, self.metrics)
        self._scheduler = Scheduler(settings.slots)

    @property
    def ready(self) -> bool:
        """Whether requests are worth sending here: a variant can answer and the server is not shutting down."""
        return self.pool.ready and not self.admission.draining

    def sizes(self, request: NerRequest, variants: Sequence[str]) -> dict[str, Size]:
        """What a request asks of each variant, for ``Visit.proceed``."""
        return {variant: size_of(request, self.pool.get(variant).encoder.capacity) for variant in variants}

    def median_inference_ms(self, variant: str, digest: str) -> float | None:
        """Of the last answers of a variant's artefact, whatever their texts; None while they are too few."""
        known, seconds = self._inference_seconds.get(variant, ("", ()))
        return milliseconds(median(seconds)) if known == digest and len(seconds) >= FEWEST else None

    async def recognize(self, request: NerRequest, variant: str, visit: Visit) -> NerAnswer:
        """Answer a request that is in flight. Raises ``UnknownVariant``, ``VariantNotReady`` and ``TookTooLong``."""
        pipeline = self.pool.get(variant)
        timer = Timer()
        steps = _read(pipeline, request, timer)
        limit = self.settings.timeout_seconds
        try:
            results, job = await self._scheduler.run(
                steps, max(0.0, limit - (time.perf_counter() - visit.started)), variant
            )
            visit.answered(variant, job.used_seconds, job.waited_seconds - job.used_seconds)
        except TimeoutError:
            raise TookTooLong(f"The request took longer than {limit:g} seconds.", {"timeout_seconds": limit}) from None
        finally:
            visit.done_with(variant)
        self._note(variant, pipeline, job, timer)
        return NerAnswer(
            variant=variant,
            digest=pipeline.digest,
            results=results,
            timing=Timing(
                queue_ms=milliseconds(job.queue_seconds),
                inference_ms=milliseconds(timer.inference.seconds),
                total_ms=milliseconds(time.perf_counter() - visit.started),
            ),
        )

    async def run_in_background(self, steps: Generator[None, None, T], timeout: float) -> T:
        """Run steps that give way to requests. Raises ``TimeoutError``, and ``Draining`` when the server shuts down."""
        result, _ = await self._scheduler.run(self._until_draining(steps), timeout, BACKGROUND)
        return result

    async def recognize_in_background(self, request: NerRequest, variant: str) -> list[ResultAnswer]:
        """The results of one variant for a request that no client waits for. Raises as ``run_in_background`` does."""
        steps = _read(self.pool.get(variant), request, Timer())
        return await self.run_in_background(steps, self.settings.timeout_seconds)

    def _until_draining(self, steps: Generator[None, None, T]) -> Generator[None, None, T]:
        while True:
            self.admission.refuse_if_draining()
            try:
                next(steps)
            except StopIteration as stop:
                result: T = stop.value
                return result
            yield

    def _note(self, variant: str, pipeline: Pipeline, job: Job[list[ResultAnswer]], timer: Timer) -> None:
        """Record in metrics, log and trace where the time went."""
        self.metrics.observe(variant, job.queue_seconds, timer)
        digest, seconds = self._inference_seconds.get(variant, ("", deque[float]()))
        if digest != pipeline.digest:
            # Times of another artefact say nothing of this one.
            seconds = deque(maxlen=RECENT)
            self._inference_seconds[variant] = (pipeline.digest, seconds)
        seconds.append(timer.inference.seconds)
        add_phases(job.submitted, job.queue_seconds, timer)
        note(
            digest=pipeline.digest,
            pieces=timer.pieces,
            queue_ms=milliseconds(job.queue_seconds),
            tokenize_ms=milliseconds(timer.tokenize.seconds),
            inference_ms=milliseconds(timer.inference.seconds),
            decode_ms=milliseconds(timer.decode.seconds),
        )

    def close(self) -> None:
        self._scheduler.close()


def _facts(settings: Settings) -> dict[str, str]:
    """What determines how fast the service is, for those who measure it."""
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
    return [EntityAnswer.model_construct(**entity._asdict()) for entity in result.entities]


def milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
