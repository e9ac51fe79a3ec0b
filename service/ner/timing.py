"""Measures the phases of a request."""

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass
class Phase:
    """Measures one kind of work with ``with phase: …``.

    ``began`` and ``ended`` are the ``perf_counter`` times of the first start and the last end. ``seconds`` is the time
    spent inside, without other requests in between.
    """

    seconds: float = 0.0
    began: float | None = None
    ended: float = 0.0

    def __enter__(self) -> None:
        self._entered = time.perf_counter()
        if self.began is None:
            self.began = self._entered

    def __exit__(self, *exception: object) -> None:
        self.ended = time.perf_counter()
        self.seconds += self.ended - self._entered

    def over(self, steps: Generator[None, None, T]) -> Generator[None, None, T]:
        """Measure each step of a generator, without the time between steps."""
        while True:
            with self:
                try:
                    next(steps)
                except StopIteration as stop:
                    result: T = stop.value
                    return result
            yield


@dataclass
class Timer:
    """The phases of a request and the number of pieces run."""

    tokenize: Phase = field(default_factory=Phase)
    inference: Phase = field(default_factory=Phase)
    decode: Phase = field(default_factory=Phase)
    pieces: int = 0
