"""Predicts how long a new request would queue, from what the requests in flight will take.

The time that a document takes of a thread is learned from earlier ones: seconds per character, as a moving average for
each variant. The prediction follows from how the scheduler shares time. Variants with work have equal shares, and so
have the requests of one variant. Another request therefore delays a new one by at most the time that the new one takes
itself, or by one step, which is not interrupted. By which factor real queueing times exceed these estimates is learned
too: what is promised is what nearly all requests stay under.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from service.schemas.ner import NerRequest

START_CHARACTERS = 50
"""The fixed cost of running the model on a document, in characters."""

PIECE_CHARACTERS = 3
"""Of one piece, roughly. A step reads at most one window of pieces."""

NEWEST = 0.1
"""Weight of the newest request in the moving average."""

RELEVANT_SHARE = 0.5
"""Requests predicted to queue for less than this share of the limit say little about those near it."""

QUANTILE = 0.995
"""The share of requests that queue no longer than predicted."""

KEPT, FEWEST = 200, 20
"""Queueing times that the factor is computed from, and how many it needs at least."""

MARGIN = 1.2
"""A queueing time is known only when it is over; by then the machine may have become slower."""

FRESH_SECONDS = 30.0
"""Queueing times of a busy period are dropped once the last of them is this old."""

USUAL_FACTOR, LEAST_FACTOR, MOST_FACTOR = 2.0, 1.0, 5.0


class Size(NamedTuple):
    """A request in characters: all its documents with their fixed costs, and its longest step."""

    total: int
    step: int


def size_of(request: NerRequest, window: int) -> Size:
    """``window``: the most pieces that one step reads."""
    if request.tokens is not None:
        lengths = [len(words) + sum(map(len, words)) for words in request.tokens]
    else:
        lengths = [len(text) for text in request.texts or [request.text or ""]]
    step = min(PIECE_CHARACTERS * window, max(lengths, default=0))
    return Size(START_CHARACTERS * len(lengths) + sum(lengths), START_CHARACTERS + step)


class Factor:
    """By which factor queueing times near the limit exceed their estimates: a high quantile of the last ones."""

    def __init__(self, now: Callable[[], float]):
        self._now = now
        self._ratios: deque[float] = deque(maxlen=KEPT)
        self._learned = float("-inf")
        self._value = USUAL_FACTOR

    @property
    def value(self) -> float:
        return self._value if self._now() - self._learned < FRESH_SECONDS else USUAL_FACTOR

    def learn(self, ratio: float) -> None:
        if self._now() - self._learned >= FRESH_SECONDS:
            self._ratios.clear()
            self._value = USUAL_FACTOR
        self._learned = self._now()
        self._ratios.append(ratio)
        if len(self._ratios) >= FEWEST:
            quantile = sorted(self._ratios)[int(QUANTILE * len(self._ratios))]
            self._value = min(max(MARGIN * quantile, LEAST_FACTOR), MOST_FACTOR)


class Backlog:
    """The requests in flight by variant. Not thread-safe: it belongs to one event loop."""

    def __init__(self, slots: int, max_wait: float, now: Callable[[], float] = time.monotonic):
        """``slots`` requests run at once; predictions are most accurate near ``max_wait`` seconds."""
        self._slots = slots
        self._max_wait = max_wait
        self._now = now
        self._sizes: dict[str, list[Size]] = {}
        self._rates: dict[str, float] = {}
        self._factors: dict[str, Factor] = {}

    def add(self, variant: str, size: Size) -> None:
        """A request is in flight."""
        self._sizes.setdefault(variant, []).append(size)

    def remove(self, variant: str, size: Size) -> None:
        """A request of this size is no longer in flight."""
        self._sizes[variant].remove(size)

    def learn(self, variant: str, size: Size, seconds: float) -> None:
        """Record how many seconds of a thread a request took."""
        rate = seconds / size.total
        known = self._rates.get(variant, rate)
        self._rates[variant] = known + NEWEST * (rate - known)

    def learn_wait(self, variant: str, estimate: float, waited: float) -> None:
        """Record how long a request queued, given the ``estimate`` made when it arrived."""
        if estimate and self.wait(variant, estimate) >= RELEVANT_SHARE * self._max_wait:
            self._factors.setdefault(variant, Factor(self._now)).learn(waited / estimate)

    def seconds(self, variant: str, size: Size) -> float:
        """The expected time of a request on a thread; 0 until the variant has answered one."""
        return self._rates.get(variant, 0.0) * size.total

    def wait(self, variant: str, estimate: float) -> float:
        """The predicted queueing time in seconds: nearly every request with this estimate stays under it."""
        factor = self._factors.get(variant)
        return (factor.value if factor else USUAL_FACTOR) * estimate

    def estimate(self, variant: str, size: Size) -> float:
        """Seconds that a new request would queue behind those in flight, less the time that it takes itself: a longer
        document may queue for longer.
        """
        if sum(map(len, self._sizes.values())) < self._slots:
            return 0.0
        rate = self._rates.get(variant, 0.0)
        own = rate * sum(min(other.total, max(size.total, other.step)) for other in self._sizes.get(variant, ()))
        until_done = own + self.seconds(variant, size)
        others = sum(
            min(self._rates.get(name, 0.0) * sum(other.total for other in sizes), until_done)
            for name, sizes in self._sizes.items()
            if name != variant
        )
        return max(0.0, (own + others) / self._slots - self.seconds(variant, size))
