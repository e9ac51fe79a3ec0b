"""``variant=auto``: picks the ready variant that fits a wish best, from latencies measured by the service itself."""

import time
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from service.artifacts.pool import Slot
from service.artifacts.warm_up import WARM_UP_TEXT
from service.errors import ImpossibleWish, TookTooLong, VariantNotReady
from service.schemas.ner import ChoiceAnswer, ConsideredVariant, Wish

AUTO = "auto"

LENGTHS = (100, 400, 1600, 6400, 25600)
"""Upper bounds in characters of the groups that requests are measured in; longer ones are the last group."""

KEPT = 200
FEWEST = 20
"""Answers kept per group, and how many a 95th percentile needs: with fewer, the warm-up is the better guess."""

FRESH_SECONDS = 30.0
"""Older times do not reflect the current load. A variant that was too slow in a burst soon gets another chance."""


class Latencies:
    """The last latencies of each variant in seconds, from admission to answer, grouped by the request's length."""

    def __init__(self, now: Callable[[], float] = time.monotonic):
        self._now = now
        self._seconds: dict[tuple[str, int], deque[tuple[float, float]]] = defaultdict(lambda: deque(maxlen=KEPT))

    def observe(self, variant: str, characters: int, seconds: float) -> None:
        self._seconds[variant, bisect_left(LENGTHS, characters)].append((self._now(), seconds))

    @contextmanager
    def measuring(self, variant: str, characters: int) -> Iterator[None]:
        """Observe how long the block takes. A request that timed out counts: it took at least that long."""
        began = time.perf_counter()
        try:
            yield
        except TookTooLong:
            self.observe(variant, characters, time.perf_counter() - began)
            raise
        self.observe(variant, characters, time.perf_counter() - began)

    def p95_ms(self, variant: str, characters: int) -> tuple[float | None, int]:
        """The 95th percentile in milliseconds (None with too few answers), and the number of answers."""
        group = self._seconds[variant, bisect_left(LENGTHS, characters)]
        while group and group[0][0] < self._now() - FRESH_SECONDS:
            group.popleft()
        if len(group) < FEWEST:
            return None, len(group)
        return 1000 * float(np.percentile([seconds for _, seconds in group], 95)), len(group)


def choose(wish: Wish, characters: int, slots: Iterable[Slot], latencies: Latencies) -> tuple[str, ChoiceAnswer]:
    """The name of the best variant, and why.

    Of the variants that fit the wish, this is the most accurate, or the fastest if the wish is a minimum F1 alone. A
    variant whose F1 was not measured counts as less accurate than any other.
    Raises ``ImpossibleWish``, which names the nearest variant, and ``VariantNotReady`` if no variant is ready.
    """
    considered = [_consider(slot, wish, characters, latencies) for slot in slots if slot.status == "ready"]
    if not considered:
        raise VariantNotReady("No variant is ready. /variants says why.", headers={"Retry-After": "5"})
    fitting = [variant for variant in considered if variant.fits]
    if not fitting:
        nearest = min(considered, key=lambda variant: _shortfall(variant, wish))
        raise ImpossibleWish(
            f"No variant gives {_say(wish)} for {characters:,} characters. The nearest is {nearest.variant}:"
            f" {'F1 not measured' if nearest.f1 is None else f'F1 {nearest.f1:.4f}'} in {nearest.latency_ms:.3g} ms.",
            {
                "wish": wish.model_dump(),
                "nearest": nearest.model_dump(),
                "considered": [variant.model_dump() for variant in considered],
            },
        )
    if wish.min_f1 is not None and wish.max_latency_ms is None:
        best = min(fitting, key=lambda variant: (variant.latency_ms, -_known(variant.f1)))
        reason = f"{best.variant} is the fastest"
    else:
        best = max(fitting, key=lambda variant: (_known(variant.f1), -variant.latency_ms))
        reason = f"{best.variant} has the highest F1"
        if best.f1 is None:
            reason = f"{best.variant} is the fastest, as no F1 was measured,"
    reason += f" of the {len(fitting)} of {len(considered)} ready variants that give {_say(wish)}"
    return best.variant, ChoiceAnswer(reason=reason, wish=wish, characters=characters, considered=considered)


def _consider(slot: Slot, wish: Wish, characters: int, latencies: Latencies) -> ConsideredVariant:
    name = slot.variant.name
    metrics = slot.manifest.metrics if slot.manifest is not None else {}
    scores = metrics.get("test") or metrics.get("dev")
    f1 = scores.f1 if scores is not None else None
    latency_ms, answers = latencies.p95_ms(name, characters)
    live = latency_ms is not None
    if latency_ms is None:
        latency_ms = 1000 * (slot.warm_up_seconds or 0.0) * max(1.0, characters / len(WARM_UP_TEXT))
    return ConsideredVariant(
        variant=name,
        f1=f1,
        latency_ms=latency_ms,
        measured="live" if live else "warm-up",
        answers=answers,
        fits=(wish.max_latency_ms is None or latency_ms <= wish.max_latency_ms)
        and (wish.min_f1 is None or _known(f1) >= wish.min_f1),
    )


def _known(f1: float | None) -> float:
    return -1.0 if f1 is None else f1


def _shortfall(variant: ConsideredVariant, wish: Wish) -> float:
    """How far a variant is from the wish: relative excess latency plus relative missing F1."""
    slow = max(0.0, variant.latency_ms / wish.max_latency_ms - 1) if wish.max_latency_ms else 0.0
    wrong = max(0.0, 1 - _known(variant.f1) / wish.min_f1) if wish.min_f1 else 0.0
    return slow + wrong


def _say(wish: Wish) -> str:
    parts = [] if wish.min_f1 is None else [f"an F1 of at least {wish.min_f1:g}"]
    if wish.max_latency_ms is not None:
        parts.append(f"an answer within {wish.max_latency_ms:g} ms")
    return " and ".join(parts) or "an answer"
