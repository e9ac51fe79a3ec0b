"""Figures of samples: percentiles, times, throughput, drift, and their spread over repetitions."""

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from loadtests.load.samples import OK, UNSENT, Sample

SETTLING_SHARE = 0.2
"""Share at the beginning of a soak that the memory slope ignores, because buffers still fill."""

LEAST_COUNT = {"p99": 100, "p999": 1000}
"""Minimum number of values to show a percentile; with fewer, it is close to the maximum."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Percentiles(Strict):
    """Percentiles and mean of ``count`` values in milliseconds, interpolated."""

    count: int
    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    mean: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> "Percentiles | None":
        """The percentiles, or None if there are no values."""
        if not milliseconds:
            return None
        p50, p90, p95, p99, p999 = (float(value) for value in np.percentile(milliseconds, [50, 90, 95, 99, 99.9]))
        return cls(
            count=len(milliseconds), p50=p50, p90=p90, p95=p95, p99=p99, p999=p999, mean=float(np.mean(milliseconds))
        )

    def shown(self, name: str) -> float | None:
        """A percentile by its name, such as ``p99``; None if there are too few values."""
        value: float = getattr(self, name)
        return value if self.count >= LEAST_COUNT.get(name, 1) else None


class Times(Strict):
    """Times of correct answers. ``response`` counts from when a request was due, ``service`` from when it was sent;
    ``queue`` and ``inference`` are reported by the server."""

    response: Percentiles | None
    service: Percentiles | None
    queue: Percentiles | None
    inference: Percentiles | None

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Times":
        def percentiles(milliseconds: Callable[[Sample], float]) -> Percentiles | None:
            return Percentiles.of([milliseconds(sample) for sample in samples])

        return cls(
            response=percentiles(lambda sample: 1000 * (sample.ended - sample.intended)),
            service=percentiles(lambda sample: 1000 * (sample.ended - sample.started)),
            queue=percentiles(lambda sample: sample.queue_ms),
            inference=percentiles(lambda sample: sample.inference_ms),
        )


class Spread(Strict):
    """A figure over the repetitions: median, range and values."""

    median: float
    low: float
    high: float
    values: list[float]

    @classmethod
    def of(cls, values: Sequence[float | None]) -> "Spread | None":
        """The spread, or None if a repetition has no value."""
        known = [value for value in values if value is not None and math.isfinite(value)]
        if not known or len(known) < len(values):
            return None
        return cls(median=float(np.median(known)), low=min(known), high=max(known), values=list(known))


def measured(
    samples: Sequence[Sample], seconds: float, closed: bool = False
) -> tuple[int, dict[str, int], float, list[Sample]]:
    """The number of requests, outcomes, throughput per second and correct answers, without the warm-up.

    In a closed loop, requests that were in flight at the end of the warm-up count, too. If the server stalls then,
    they are the only ones that show it, because their users send no others.
    """
    due = [
        sample
        for sample in samples
        if 0 <= sample.intended < seconds or (closed and sample.intended < 0 < sample.ended)
    ]
    right = [sample for sample in due if sample.outcome == OK]
    answered = sum(1 for sample in samples if sample.outcome == OK and 0 <= sample.ended < seconds)
    return len(due), dict(Counter(sample.outcome for sample in due)), answered / seconds, right


def drift(right: Sequence[Sample]) -> float | None:
    """Difference of the median response times of the last and first tenth in ms; None for fewer than ten answers."""
    ordered = sorted(right, key=lambda sample: sample.intended)
    tenth = len(ordered) // 10
    if not tenth:
        return None
    first, last = (
        float(np.median([1000 * (sample.ended - sample.intended) for sample in part]))
        for part in (ordered[:tenth], ordered[-tenth:])
    )
    return last - first


def sent(samples: Sequence[Sample], seconds: float) -> tuple[float, float | None, float]:
    """Requests sent per second, the 99th percentile of how many ms after they were due, and how many were in flight.

    The last one is an average over the time after the warm-up.
    """
    late = Percentiles.of(
        [1000 * (sample.started - sample.intended) for sample in samples if 0 <= sample.started < seconds]
    )
    waits = [
        max(0.0, min(sample.ended, seconds) - max(sample.started, 0.0))
        for sample in samples
        if sample.outcome != UNSENT
    ]
    return (late.count if late else 0) / seconds, late.p99 if late else None, sum(waits) / seconds


def times_by_variant(samples: Sequence[Sample], variants: Sequence[str]) -> dict[str, Times]:
    return {name: Times.of([sample for sample in samples if sample.variant == name]) for name in variants}


def slope_per_minute(memory: list[tuple[float, float]]) -> float | None:
    """Memory growth in bytes per minute by least squares, without the beginning; None for fewer than three values."""
    if not memory:
        return None
    settled = [point for point in memory if point[0] >= SETTLING_SHARE * memory[-1][0]]
    if len(settled) < 3:
        return None
    seconds, values = np.array(settled).T
    return float(60 * np.polyfit(seconds, values, 1)[0])
