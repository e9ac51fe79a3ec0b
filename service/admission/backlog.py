"""How long a new request would wait, from what the requests in flight will take.

What a document takes of a thread is learnt from those before it: seconds for each character, a moving average for each
variant. The estimate follows from how the scheduler shares the time: variants have equal shares while they have work,
and so have the requests of a variant, so no other request delays a new one by more than the new one needs itself, or a
step that is not interrupted, and at the end the step that its answer may wait for. By how much waits exceed their
estimates, for whoever comes meanwhile and whatever else the machine does, is learnt as well: what is told is what
nearly all stay under.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from service.schemas.ner import NerRequest

START_CHARACTERS = 50
"""What a document costs besides its length, in characters: the model's fixed cost of a run."""

PIECE_CHARACTERS = 3
"""Of a piece, about. No more of a document is read in one step than a window's pieces."""

NEWEST = 0.1
"""Weight of the newest request in the moving average."""

TELLING = 0.5
"""Who was told less than this share of the longest wait says little about those that come near it."""

NEARLY_ALL = 0.995
"""The share of requests that wait no longer than is told."""

KEPT, FEWEST = 200, 20
"""Waits that the excess is taken from, and how many it needs at least."""

MARGIN = 1.2
"""A wait is learnt of when it is over; by then the machine may have become slower."""

FRESH_SECONDS = 30.0
"""Waits of a busy spell say nothing once the last of them is so long ago."""

USUAL_EXCESS, LEAST_EXCESS, MOST_EXCESS = 2.0, 1.0, 5.0


class Size(NamedTuple):
    """Of a request, in characters: of all documents with what each costs besides, and of its longest step."""

    total: int
    step: int


def size_of(request: NerRequest, window: int) -> Size:
    """``window`` is the most pieces that are read in one step."""
    if request.tokens is not None:
        lengths = [len(words) + sum(map(len, words)) for words in request.tokens]
    else:
        lengths = [len(text) for text in request.texts or [request.text or ""]]
    step = min(PIECE_CHARACTERS * window, max(lengths, default=0))
    return Size(START_CHARACTERS * len(lengths) + sum(lengths), START_CHARACTERS + step)


class Excess:
    """By which factor waits near the limit exceed their estimates: the quantile ``NEARLY_ALL`` of the last ones."""

    def __init__(self, now: Callable[[], float]):
        self._now = now
        self._ratios: deque[float] = deque(maxlen=KEPT)
        self._learnt = float("-inf")
        self._factor = USUAL_EXCESS

    @property
    def factor(self) -> float:
        return self._factor if self._now() - self._learnt < FRESH_SECONDS else USUAL_EXCESS

    def learn(self, ratio: float) -> None:
        if self._now() - self._learnt >= FRESH_SECONDS:
            self._ratios.clear()
            self._factor = USUAL_EXCESS
        self._learnt = self._now()
        self._ratios.append(ratio)
        if len(self._ratios) >= FEWEST:
            quantile = sorted(self._ratios)[int(NEARLY_ALL * len(self._ratios))]
            self._factor = min(max(MARGIN * quantile, LEAST_EXCESS), MOST_EXCESS)


class Backlog:
    """The requests in flight by variant. Of one event loop, not for several threads."""

    def __init__(self, slots: int, max_wait: float, now: Callable[[], float] = time.monotonic):
        """``slots`` requests are read at once; ``max_wait`` in seconds is what the estimates are to be right for."""
        self._slots = slots
        self._max_wait = max_wait
        self._now = now
        self._sizes: dict[str, list[Size]] = {}
        self._rates: dict[str, float] = {}
        self._excess: dict[str, Excess] = {}

    def add(self, variant: str, size: Size) -> None:
        """A request is in flight."""
        self._sizes.setdefault(variant, []).append(size)

    def remove(self, variant: str, size: Size) -> None:
        """A request of this size is no longer in flight."""
        self._sizes[variant].remove(size)

    def learn(self, variant: str, size: Size, seconds: float) -> None:
        """Note what a request took of a thread."""
        rate = seconds / size.total
        known = self._rates.get(variant, rate)
        self._rates[variant] = known + NEWEST * (rate - known)

    def learn_wait(self, variant: str, estimate: float, waited: float) -> None:
        """Note how long a request waited, beyond its own time, whose ``estimate`` was this when it came."""
        if estimate and self.wait(variant, estimate) >= TELLING * self._max_wait:
            self._excess.setdefault(variant, Excess(self._now)).learn(waited / estimate)

    def seconds(self, variant: str, size: Size) -> float:
        """What a request is expected to take; 0 before the variant answered its first."""
        return self._rates.get(variant, 0.0) * size.total

    def wait(self, variant: str, estimate: float) -> float:
        """Seconds that nearly every request with this estimate waits at most."""
        excess = self._excess.get(variant)
        return (excess.factor if excess else USUAL_EXCESS) * estimate

    def estimate(self, variant: str, size: Size) -> float:
        """Seconds that a new request would spend on the turns of those in flight, beyond what it takes itself: who
        comes with a long document expects to wait longer.
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
