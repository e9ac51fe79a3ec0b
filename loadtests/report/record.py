"""The record of a run, from which the page, the table and the comparison are made; ``report.json`` is this as JSON."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from loadtests.errors import LoadTestError
from loadtests.load.samples import OK, Sample

MIXED = "mixed"
Pattern = Literal["closed", "open"]

SETTLING_SHARE = 0.2
"""The beginning of a soak whose memory is not fitted: buffers fill."""


LEAST_COUNT = {"p99": 100, "p999": 1000}
"""Percentiles of fewer values are little but their highest one: they are kept and not shown."""

DRIFT_SHARE = 0.25
"""The part of the bound by which answers may come later at a stretch's end than at its beginning."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Percentiles(Strict):
    """Milliseconds, interpolated between ``count`` raw values."""

    count: int
    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    mean: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> "Percentiles | None":
        """None of no values."""
        if not milliseconds:
            return None
        p50, p90, p95, p99, p999 = (float(value) for value in np.percentile(milliseconds, [50, 90, 95, 99, 99.9]))
        return cls(
            count=len(milliseconds), p50=p50, p90=p90, p95=p95, p99=p99, p999=p999, mean=float(np.mean(milliseconds))
        )

    def shown(self, name: str) -> float | None:
        """A percentile by its name, such as ``p99``; None if there are too few values for it."""
        value: float = getattr(self, name)
        return value if self.count >= LEAST_COUNT.get(name, 1) else None


class Times(Strict):
    """Of right answers. ``response`` counts from when a request was due, ``service`` from when it was sent; ``queue``
    and ``inference`` are the server's own."""

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


class Cell(Strict):
    """One stretch of load. ``level`` is the number of users of a closed loop, the requests a second of an open one.

    ``requests`` counts those that were due in the ``seconds`` after the warm-up; ``throughput`` is right answers a
    second that came in that time. ``drift_ms`` is how much later answers
    came at the end than at the beginning.
    """

    subject: str
    pattern: Pattern
    level: float
    repetition: int
    seconds: float
    requests: int
    outcomes: dict[str, int]
    throughput: float
    times: Times
    by_variant: dict[str, Times]
    generator_cpu_share: float
    server_cpus: float | None
    server_gone: bool = False
    drift_ms: float | None = None

    @property
    def errors(self) -> int:
        return sum(count for outcome, count in self.outcomes.items() if outcome != OK)

    def within(self, bound_ms: float) -> bool:
        """Whether every request was answered rightly, 99% of them inside the bound from when they were due.

        A short stretch may end before the queue of a rate that is too high reaches the bound: it must not grow either.
        """
        response = self.times.response
        if self.errors or response is None or response.p99 > bound_ms:
            return False
        return self.drift_ms is None or self.drift_ms <= DRIFT_SHARE * bound_ms

    @property
    def columns(self) -> dict[str, object]:
        """What stands before each of its raw samples."""
        return {
            "subject": self.subject,
            "pattern": self.pattern,
            "level": self.level,
            "repetition": self.repetition,
        }


def measured(samples: Sequence[Sample], seconds: float) -> tuple[int, dict[str, int], float, list[Sample]]:
    """Requests, outcomes, throughput and the right answers of a stretch, the warm-up left out."""
    due = [sample for sample in samples if 0 <= sample.intended < seconds]
    right = [sample for sample in due if sample.outcome == OK]
    answered = sum(1 for sample in samples if sample.outcome == OK and 0 <= sample.ended < seconds)
    return len(due), dict(Counter(sample.outcome for sample in due)), answered / seconds, right


def drift(right: Sequence[Sample]) -> float | None:
    """The median response time of the last tenth less that of the first, in ms; None of fewer than ten answers."""
    ordered = sorted(right, key=lambda sample: sample.intended)
    tenth = len(ordered) // 10
    if not tenth:
        return None
    first, last = (
        float(np.median([1000 * (sample.ended - sample.intended) for sample in part]))
        for part in (ordered[:tenth], ordered[-tenth:])
    )
    return last - first


def times_by_variant(samples: Sequence[Sample], variants: Sequence[str]) -> dict[str, Times]:
    return {name: Times.of([sample for sample in samples if sample.variant == name]) for name in variants}


class Spread(Strict):
    """One figure over the repetitions: the median, the lowest, the highest, and each."""

    median: float
    low: float
    high: float
    values: list[float]

    @classmethod
    def of(cls, values: Sequence[float | None]) -> "Spread | None":
        """None if any repetition has no value."""
        known = [value for value in values if value is not None and math.isfinite(value)]
        if not known or len(known) < len(values):
            return None
        return cls(median=float(np.median(known)), low=min(known), high=max(known), values=list(known))


class VariantFacts(Strict):
    """What the service says of a variant."""

    technique: str
    runtime: str
    digest: str | None
    artifact_bytes: int | None
    resident_bytes: int | None
    parameters: int | None
    sparsity: float | None
    dev_f1: float | None
    test_f1: float | None
    data: str | None


class Settings(Strict):
    """How the run was made."""

    variants: list[str]
    bound_ms: float
    repetitions: int
    users: list[int]
    seconds: float
    warm_up: float
    seed: int
    long_share: float
    texts: str
    texts_digest: str
    documents: int
    mean_characters: float
    price_per_hour: float | None


class Record(Strict):
    """A run. ``ended_early`` says why it is not complete."""

    format: Literal[1] = 1
    began_at: datetime
    seconds: float
    ended_early: str | None
    command: list[str]
    settings: Settings
    generator: dict[str, str]
    service: dict[str, str]
    variants: dict[str, VariantFacts]
    cells: list[Cell]

    @property
    def subjects(self) -> list[str]:
        """The variants that were measured, and ``mixed`` if all were at once."""
        seen = {cell.subject for cell in self.cells}
        return [name for name in (*self.variants, MIXED) if name in seen]

    def select(self, subject: str, pattern: Pattern) -> dict[float, list[Cell]]:
        """The cells of one subject and pattern by level, rising."""
        levels: dict[float, list[Cell]] = {}
        for cell in sorted(self.cells, key=lambda cell: (cell.level, cell.repetition)):
            if (cell.subject, cell.pattern) == (subject, pattern):
                levels.setdefault(cell.level, []).append(cell)
        return levels

    def best_rates(self, subject: str) -> list[float | None]:
        """For each repetition of the open loop the most requests a second inside the bound; None if no rate held."""
        return [best_rate(cells, self.settings.bound_ms) for cells in self._open_loops(subject)]

    def ran_out(self, subject: str) -> bool:
        """Whether some repetition never broke the bound, so that its best rate is a lower bound of the real one."""
        bound = self.settings.bound_ms
        return any(all(cell.within(bound) for cell in cells) for cells in self._open_loops(subject))

    def _open_loops(self, subject: str) -> list[list[Cell]]:
        """The cells of each repetition."""
        rates: dict[int, list[Cell]] = {}
        for cell in self.cells:
            if (cell.subject, cell.pattern) == (subject, "open"):
                rates.setdefault(cell.repetition, []).append(cell)
        return [cells for _, cells in sorted(rates.items())]


def best_rate(cells: Sequence[Cell], bound_ms: float) -> float | None:
    """The highest rate below the first that broke the bound; None if the lowest one broke it."""
    best = None
    for cell in sorted(cells, key=lambda cell: cell.level):
        if not cell.within(bound_ms):
            break
        best = cell.level
    return best


def spread(cells: Sequence[Cell], figure: Callable[[Cell], float | None]) -> Spread | None:
    return Spread.of([figure(cell) for cell in cells])


def facts_of(entry: dict[str, Any]) -> VariantFacts:
    """From an entry of ``/variants``."""
    metrics = entry.get("metrics") or {}
    return VariantFacts(
        **{name: entry.get(name) for name in VariantFacts.model_fields if not name.endswith("_f1") and name != "data"},
        dev_f1=(metrics.get("dev") or {}).get("f1"),
        test_f1=(metrics.get("test") or {}).get("f1"),
        data=metrics.get("data"),
    )


def read_record(path: Path) -> Record:
    """Read ``report.json``. Raises ``LoadTestError`` if it is none."""
    try:
        return Record.model_validate_json(path.read_bytes())
    except OSError as error:
        raise LoadTestError(f"{path} cannot be read: {error.strerror}. Give a report.json of a run.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "contents"
        raise LoadTestError(f"{path} is not the report.json of a run: {place}: {first['msg']}.") from error


class SoakResult(Strict):
    """What a soak or an overload came to. ``failures`` says what it promised and did not keep."""

    kind: str
    seconds: float
    variants: list[str]
    capacity: float
    rate: float
    requests: int
    outcomes: dict[str, int]
    times: Times
    by_variant: dict[str, Times]
    memory_bytes: list[tuple[float, float]] = []
    memory_bytes_per_minute: float | None = None
    recovery_seconds: float | None = None
    failures: list[str] = []


def slope_per_minute(memory: list[tuple[float, float]]) -> float | None:
    """Bytes a minute, by least squares over all but the beginning; None of fewer than three values."""
    if not memory:
        return None
    settled = [point for point in memory if point[0] >= SETTLING_SHARE * memory[-1][0]]
    if len(settled) < 3:
        return None
    seconds, values = np.array(settled).T
    return float(60 * np.polyfit(seconds, values, 1)[0])
