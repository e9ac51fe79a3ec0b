"""Runs every ready variant on one document and compares each answer with the reference's.

Variants run one after the other, so that none slows another down while it is timed.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence

from service.admission.admission import Visit
from service.errors import InternalError, ServiceError
from service.inference.engine import Engine, milliseconds
from service.schemas.comparison import (
    CompareAnswer,
    ComparedVariant,
    EntityDifference,
    FailedVariant,
    NotReady,
    Relabelled,
)
from service.schemas.fields import Event
from service.schemas.ner import EntityAnswer, NerRequest
from service.telemetry.logs import leave_request

logger = logging.getLogger("kidogo")


class Comparison:
    """A running comparison. Cancelling ``answer`` stops it."""

    def __init__(self, engine: Engine, names: Sequence[str], request: NerRequest, visit: Visit, request_id: str):
        self._visit = visit
        self._engine = engine
        self._reference = engine.pool.reference
        self._request = request
        self._request_id = request_id
        self._answers: dict[str, ComparedVariant | None] = dict.fromkeys(names)
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self.answer = asyncio.create_task(self._run())
        self.answer.add_done_callback(self._end)

    async def _run(self) -> CompareAnswer:
        # The times of one variant must not appear as the request's in the log.
        leave_request()
        failures: dict[str, Exception] = {}
        # Fastest first, so that the first answer is shown soonest.
        for name in sorted(self._answers, key=self._engine.pool.warm_up_seconds):
            try:
                await self._ask(name)
            except Exception as failure:
                failures[name] = failure
        if len(failures) == len(self._answers):
            raise next(iter(failures.values()))
        return CompareAnswer(
            reference=self._reference,
            variants=[answer for answer in self._answers.values() if answer is not None],
            failed=[self._failed(name, failures[name]) for name in self._answers if name in failures],
            not_ready=[
                NotReady(variant=slot.variant.name, status=slot.status, reason=slot.reason)
                for slot in self._engine.pool
                if slot.variant.name not in self._answers and slot.status != "ready"
            ],
        )

    def _end(self, _: object) -> None:
        self._events.put_nowait(None)

    def _failed(self, name: str, failure: Exception) -> FailedVariant:
        if not isinstance(failure, ServiceError):
            logger.error("request %s failed for %s", self._request_id, name, exc_info=failure)
            failure = InternalError(self._request_id)
        return FailedVariant(variant=name, code=failure.code, message=failure.message)

    async def _ask(self, name: str) -> None:
        began = time.perf_counter()
        # All variants share the request's time limit.
        answer = await self._engine.recognize(self._request, name, self._visit)
        answer.timing.total_ms = milliseconds(time.perf_counter() - began)
        self._answers[name] = ComparedVariant(
            variant=name, entities=answer.results[0].entities, timing=answer.timing, difference=None
        )
        # The reference's answer also gives the differences of the variants before it.
        for known in self._answers if name == self._reference else (name,):
            self._send(known)

    def _send(self, name: str) -> None:
        answer, reference = self._answers[name], self._answers.get(self._reference)
        if answer is None:
            return
        if reference is not None:
            answer.difference = differences(answer.entities, reference.entities)
        self._events.put_nowait(("answer", answer.model_copy()))

    async def events(self) -> AsyncIterator[Event]:
        """``answer`` for each variant, sent again when its difference is known, then ``result``."""
        try:
            while (event := await self._events.get()) is not None:
                yield event
            yield "result", self.answer.result()
        finally:
            self.answer.cancel()


def differences(entities: Sequence[EntityAnswer], reference: Sequence[EntityAnswer]) -> EntityDifference:
    """Compare by exact span: a shifted border counts as one missing and one extra entity."""
    of_reference = {(entity.start, entity.end): entity for entity in reference}
    places = {(entity.start, entity.end) for entity in entities}
    return EntityDifference(
        missing=[entity for place, entity in of_reference.items() if place not in places],
        extra=[entity for entity in entities if (entity.start, entity.end) not in of_reference],
        relabelled=[
            Relabelled(entity=entity, reference_label=counterpart.label)
            for entity in entities
            if (counterpart := of_reference.get((entity.start, entity.end))) and counterpart.label != entity.label
        ],
    )
