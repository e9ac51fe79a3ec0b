"""Runs accuracy checks: one at a time, at lower priority than requests."""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager

from service.errors import Overloaded, TookTooLong
from service.evaluation.accuracy import Contender, check
from service.evaluation.labelled import LabelledData
from service.inference.engine import Engine
from service.schemas.accuracy import AccuracyAnswer, Progress
from service.schemas.fields import Event

PROGRESS_SECONDS = 0.1


class Check:
    """A running check. Cancelling ``answer`` stops it."""

    def __init__(self, engine: Engine, variant: Contender, reference: Contender, data: LabelledData, mistakes: int):
        self.variant = variant.name
        self.progress = Progress(done=0, total=len(data.sentences))
        steps = check(variant, reference, data, self._advance, mistakes)
        self.answer = asyncio.create_task(self._run(engine, steps))

    async def _run(self, engine: Engine, steps: Generator[None, None, AccuracyAnswer]) -> AccuracyAnswer:
        limit = engine.settings.accuracy_timeout_seconds
        try:
            return await engine.run_in_background(steps, limit)
        except TimeoutError:
            raise TookTooLong(
                f"The check took longer than {limit:g} seconds. Use limit to check fewer sentences.",
                {"accuracy_timeout_seconds": limit, **self.progress.model_dump()},
            ) from None

    def _advance(self) -> None:
        self.progress.done += 1

    async def events(self) -> AsyncIterator[Event]:
        """``progress`` at regular intervals, then ``result``."""
        try:
            while not self.answer.done():
                yield "progress", self.progress
                await asyncio.wait((self.answer,), timeout=PROGRESS_SECONDS)
            yield "result", self.answer.result()
        finally:
            self.answer.cancel()


class Checks:
    """Allows one check at a time, from reading its data to its end."""

    def __init__(self) -> None:
        self._running: Check | None = None
        self._prepared: str | None = None

    @contextmanager
    def place(self, variant: str) -> Iterator[None]:
        """Hold the only place while a check is prepared, because its labelled data takes memory before it starts.

        Raises ``Overloaded`` if the place is taken.
        """
        self._refuse_if_taken()
        self._prepared = variant
        try:
            yield
        finally:
            self._prepared = None

    def _refuse_if_taken(self) -> None:
        if self._prepared is not None:
            raise Overloaded(
                f"A check of {self._prepared} is starting, and only one runs at a time. Try again later.",
                {"variant": self._prepared},
                {"Retry-After": "5"},
            )
        if self._running is not None:
            progress = self._running.progress
            raise Overloaded(
                f"A check of {self._running.variant} is at sentence {progress.done:,} of {progress.total:,}, and"
                " only one runs at a time. Try again when it has finished.",
                {"variant": self._running.variant, **progress.model_dump()},
                {"Retry-After": "5"},
            )

    def start(
        self, engine: Engine, variant: Contender, reference: Contender, data: LabelledData, mistakes: int
    ) -> Check:
        """Start a check in the place held for it."""
        check = self._running = Check(engine, variant, reference, data, mistakes)
        check.answer.add_done_callback(lambda _: self._forget(check))
        return check

    def _forget(self, check: Check) -> None:
        """Drop a check that has ended: the traceback of one that was stopped holds all of its data."""
        if self._running is check:
            self._running = None
