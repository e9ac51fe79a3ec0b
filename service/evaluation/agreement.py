"""Measures agreement between variants on live traffic: a share of the requests is repeated with a second variant when
idle.

Only counts are kept. No text is stored or logged.
"""

import asyncio
import logging
import random

from service.errors import ServiceError
from service.evaluation.comparison import differences
from service.inference.engine import Engine
from service.schemas.ner import NerAnswer, NerRequest

logger = logging.getLogger("kidogo.agreement")


class Agreement:
    """Repeats requests that ``/ner`` has answered, one at a time."""

    def __init__(self) -> None:
        self._random = random.Random()
        self._reading: asyncio.Task[None] | None = None

    async def consider(self, engine: Engine, request: NerRequest, answer: NerAnswer) -> None:
        """Repeat an answered request, or not, by chance. Returns immediately."""
        if self._random.random() >= engine.settings.agreement_share:
            return
        if (self._reading is not None and not self._reading.done()) or engine.admission.in_flight:
            engine.metrics.agreement_skipped.inc()
            return
        wanted = engine.settings.agreement_variant
        others = [
            slot.variant.name
            for slot in engine.pool
            if slot.status == "ready" and slot.variant.name != answer.variant and wanted in (None, slot.variant.name)
        ]
        if others:
            self._reading = asyncio.create_task(self._read(engine, request, answer, self._random.choice(others)))

    async def _read(self, engine: Engine, request: NerRequest, answer: NerAnswer, second: str) -> None:
        try:
            results = await engine.recognize_in_background(request, second)
        except (ServiceError, TimeoutError):
            return
        except Exception:
            # The request itself was answered. A stack trace does not contain its text.
            logger.exception("%s failed on a request that was run again", second)
            return
        pair = (answer.variant, second)
        metrics = engine.metrics
        for first_result, second_result in zip(answer.results, results, strict=True):
            difference = differences(first_result.entities, second_result.entities)
            of_first = len(difference.extra) + len(difference.relabelled)
            of_second = len(difference.missing) + len(difference.relabelled)
            alike = "same" if of_first + of_second == 0 else "different"
            metrics.agreement_documents.labels(*pair, alike).inc()
            metrics.agreement_entities.labels(*pair, "both").inc(len(first_result.entities) - of_first)
            metrics.agreement_entities.labels(*pair, "first").inc(of_first)
            metrics.agreement_entities.labels(*pair, "second").inc(of_second)
