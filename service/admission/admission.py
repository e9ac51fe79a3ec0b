"""Admission control. A request enters once and leaves once; in between, its ``Visit`` holds its place.

A request reads its body, is then in flight, and leaves when it is answered. Each stage has a limit:

- ``Draining`` (503): the server is shutting down;
- ``Overloaded`` (429): too many requests are in flight, too many bodies are being read, or the predicted queueing time
  exceeds ``NER_MAX_WAIT_SECONDS``;
- ``TookTooLong`` (504): the body did not arrive in time.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Mapping
from typing import Any, Self, TypeVar

from service.admission.backlog import Backlog, Size
from service.errors import Draining, Overloaded, TookTooLong
from service.settings import Settings
from service.telemetry.metrics import Metrics

T = TypeVar("T")

BODIES_PER_REQUEST_IN_FLIGHT = 4
"""A request is in flight only once its body has arrived, so that slow clients take no place from others."""


class Admission:
    """The admitted requests of one event loop."""

    def __init__(self, settings: Settings, metrics: Metrics):
        self.settings = settings
        self.metrics = metrics
        self.draining = False
        self.in_flight = 0
        self.reading = 0
        self.backlog = Backlog(settings.slots, settings.max_wait_seconds)

    def enter(self) -> "Visit":
        """Admit a request, before its body is read. Raises ``Draining`` or ``Overloaded``."""
        # Under overload most of the work is refusing, so refuse before reading.
        self.refuse_if_draining()
        self.refuse_if_full()
        return Visit(self)

    def refuse_if_draining(self) -> None:
        if self.draining:
            raise Draining("The server is shutting down. Try another replica.", headers={"Retry-After": "5"})

    def refuse_if_full(self) -> None:
        if self.in_flight >= self.settings.max_in_flight:
            raise Overloaded(
                f"{self.in_flight} requests are in flight, which is the limit. Try again in a moment.",
                {"max_in_flight": self.settings.max_in_flight},
                {"Retry-After": "1"},
            )


class Visit:
    """One request, from its first byte to its answer. A context manager that leaves at the end of its block."""

    def __init__(self, admission: Admission):
        self.started = time.perf_counter()
        self._admission = admission
        self._sizes: dict[str, Size] = {}
        self._estimate = 0.0
        self._in_flight = False
        self._lasting = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._lasting:
            self._leave()

    def last_until(self, answer: "asyncio.Future[Any]") -> None:
        """Leave when ``answer`` is done instead, for answers that are streamed after the block has ended."""
        self._lasting = True
        answer.add_done_callback(lambda _: self._leave())

    async def read(self, body: Awaitable[T]) -> T:
        """Await the body. Raises ``Overloaded`` or ``TookTooLong``."""
        admission = self._admission
        most = BODIES_PER_REQUEST_IN_FLIGHT * admission.settings.max_in_flight
        limit = min(admission.settings.body_timeout_seconds, admission.settings.timeout_seconds)
        if admission.reading >= most:
            _close(body)
            raise Overloaded(
                f"{admission.reading} request bodies are being read, which is the limit. Try again in a moment.",
                {"max_bodies": most},
                {"Retry-After": "1"},
            )
        admission.reading += 1
        admission.metrics.reading.set(admission.reading)
        try:
            async with asyncio.timeout(limit):
                return await body
        except TimeoutError:
            # Close the connection; otherwise the server would wait for the rest of the body.
            raise TookTooLong(
                f"The body took longer than {limit:g} seconds to arrive.",
                {"body_timeout_seconds": limit},
                {"Connection": "close"},
            ) from None
        finally:
            admission.reading -= 1
            admission.metrics.reading.set(admission.reading)

    def proceed(self, sizes: Mapping[str, Size]) -> None:
        """Put the request in flight for these variants, which run one after the other.

        Raises ``Draining``, or ``Overloaded`` if too many requests are in flight or the predicted queueing time is too
        long. The time that the request itself takes does not count.
        """
        admission, backlog = self._admission, self._admission.backlog
        admission.refuse_if_draining()
        admission.refuse_if_full()
        # All are estimated before the first is added: a request does not queue behind its own work.
        estimates = {variant: backlog.estimate(variant, size) for variant, size in sizes.items()}
        wait = sum(backlog.wait(variant, estimate) for variant, estimate in estimates.items())
        limit = admission.settings.max_wait_seconds
        if wait > limit:
            raise Overloaded(
                f"The predicted queueing time is {wait:.1f} seconds; the limit is {limit:g}. Try again in a moment.",
                {"expected_wait_seconds": round(wait, 3), "max_wait_seconds": limit},
                {"Retry-After": str(math.ceil(wait - limit))},
            )
        for variant, size in sizes.items():
            backlog.add(variant, size)
        self._sizes = dict(sizes)
        # With several variants, each waits for the previous ones, which estimates do not cover.
        self._estimate = sum(estimates.values()) if len(sizes) == 1 else 0.0
        self._in_flight = True
        admission.in_flight += 1
        admission.metrics.in_flight.set(admission.in_flight)

    def answered(self, variant: str, used_seconds: float, waited_seconds: float) -> None:
        """Note how long a variant took and how long it waited, for later estimates."""
        backlog = self._admission.backlog
        backlog.learn(variant, self._sizes[variant], used_seconds)
        backlog.learn_wait(variant, self._estimate, waited_seconds)

    def done_with(self, variant: str) -> None:
        """Other requests no longer queue behind this one for ``variant``."""
        if variant in self._sizes:
            self._admission.backlog.remove(variant, self._sizes.pop(variant))

    def _leave(self) -> None:
        for variant in list(self._sizes):
            self.done_with(variant)
        if self._in_flight:
            self._in_flight = False
            self._admission.in_flight -= 1
            self._admission.metrics.in_flight.set(self._admission.in_flight)


def _close(body: Awaitable[object]) -> None:
    """A coroutine that is never awaited warns."""
    if asyncio.iscoroutine(body):
        body.close()
