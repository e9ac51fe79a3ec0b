"""Compares two runs and tells significant changes from noise.

A change is significant if every value of one run is above every value of the other. Without a real change, n and m
repetitions have the probability 2 / (n + m choose n) of this: 1/10 for three each, 1/35 for four each. If it is greater
than ``CHANCE``, there are too few repetitions to tell.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from loadtests.report.figures import Spread
from loadtests.report.record import MIXED, Record
from loadtests.report.summary import Row, summarise

CHANCE = 0.1
"""Maximum probability of a false positive."""

Verdict = Literal["regression", "worse", "better", "noise", "cannot tell", "same"]


@dataclass(frozen=True)
class Change:
    """One figure of one variant in both runs; ``relative`` is the relative change, positive if it grew."""

    subject: str
    figure: str
    before: Spread
    after: Spread
    verdict: Verdict

    @property
    def relative(self) -> float:
        if self.before.median == self.after.median:
            return 0.0
        return self.after.median / self.before.median - 1 if self.before.median else math.inf


@dataclass(frozen=True)
class Comparison:
    """All changes, and the differences between the setups of the runs."""

    changes: list[Change]
    differences: list[str]
    lost: Sequence[str] = ()
    """What had a rate inside the bound before, and has none in any repetition after."""

    @property
    def regressed(self) -> bool:
        return bool(self.lost) or any(change.verdict == "regression" for change in self.changes)


def compare(before: Record, after: Record, limit: float) -> Comparison:
    """Compare two runs. A significant deterioration by more than ``limit``, a share, is a regression."""
    rows_before = {row.subject: row for row in summarise(before)}
    rows_after = {row.subject: row for row in summarise(after)}
    changes = [
        judge(subject, name, first, second, higher_is_better, limit, exact)
        for subject in rows_before
        if subject in rows_after
        for name, first, second, higher_is_better, exact in _figures(
            before, after, rows_before[subject], rows_after[subject]
        )
    ]
    lost = [
        subject
        for subject, row in rows_before.items()
        if subject in rows_after
        and row.best_rate is not None
        and set(after.best_rates(subject)) == {None}
        and _same_bound(before, after)
    ]
    return Comparison(changes, list(_differences(before, after)), lost)


def judge(
    subject: str, name: str, before: Spread, after: Spread, higher_is_better: bool, limit: float, exact: bool = False
) -> Change:
    """Classify a change. ``exact`` figures, such as bytes, have no noise."""
    grew = after.median > before.median
    change = Change(subject, name, before, after, "same")
    if after.median == before.median:
        return change
    verdict: Verdict
    if not exact and not (after.low > before.high or after.high < before.low):
        verdict = "noise"
    elif not exact and 2 / math.comb(len(before.values) + len(after.values), len(after.values)) > CHANCE:
        verdict = "cannot tell"
    elif grew == higher_is_better:
        verdict = "better"
    else:
        verdict = "regression" if abs(change.relative) > limit else "worse"
    return Change(subject, name, before, after, verdict)


def _figures(
    before: Record, after: Record, first: Row, second: Row
) -> Iterator[tuple[str, Spread, Spread, bool, bool]]:
    """Name, both values, whether higher is better, and whether it is exact."""
    rates = first.best_rate, second.best_rate
    if _zero_counts(before, after, first.subject):
        rates = _rates(before, first.subject), _rates(after, first.subject)
    pairs: list[tuple[str, Spread | None, Spread | None, bool, bool]] = [
        ("max. requests/s within the bound", *rates, True, False),
        ("max. answers/s, closed loop", first.best_throughput, second.best_throughput, True, False),
        ("p50 ms, one request in flight", first.service.p50, second.service.p50, False, False),
        ("p99 ms, one request in flight", first.service.p99, second.service.p99, False, False),
        ("inference p50 ms", first.inference.p50, second.inference.p50, False, False),
        ("failed requests", first.failures, second.failures, False, False),
    ]
    if first.subject != MIXED:
        facts = (before.variants[first.subject], after.variants[first.subject])
        pairs += [
            ("artefact bytes", _one(facts[0].artifact_bytes), _one(facts[1].artifact_bytes), False, True),
            ("test F1", _one(facts[0].test_f1), _one(facts[1].test_f1), True, True),
        ]
    for name, one, other, higher_is_better, exact in pairs:
        if one is not None and other is not None:
            yield name, one, other, higher_is_better, exact


def _same_bound(before: Record, after: Record) -> bool:
    return before.settings.bound_ms == after.settings.bound_ms


def _zero_counts(before: Record, after: Record, subject: str) -> bool:
    """Whether a repetition without a rate inside the bound is compared as 0: left out, it would hide a loss.

    It is if the bounds are the same and some repetition found a rate.
    """
    found = any(rate is not None for record in (before, after) for rate in record.best_rates(subject))
    return found and _same_bound(before, after)


def _rates(record: Record, subject: str) -> Spread | None:
    """The maximum rates of the repetitions, 0 where no rate was inside the bound."""
    return Spread.of([rate or 0.0 for rate in record.best_rates(subject)])


def _one(value: float | None) -> Spread | None:
    return Spread.of([value]) if value is not None else None


def _differences(before: Record, after: Record) -> Iterator[str]:
    for name in ("bound_ms", "seconds", "users", "texts_digest", "long_share"):
        first, second = getattr(before.settings, name), getattr(after.settings, name)
        if first != second:
            yield f"{name}: {first} before, {second} after"
    for part in ("generator", "service"):
        first, second = getattr(before, part), getattr(after, part)
        for name in sorted({*first, *second} - {"address"}):
            if first.get(name) != second.get(name):
                yield f"{part}, {name}: {first.get(name, 'unknown')} before, {second.get(name, 'unknown')} after"
    for record, word in ((before, "before"), (after, "after")):
        for row in summarise(record):
            if row.rates_sought:
                zero = ", which counts as 0" if _zero_counts(before, after, row.subject) else ""
                yield f"{row.subject} {word}: no rate inside the bound to compare{zero} ({row.rates_sought})"
        for subject in record.subjects:
            if record.ran_out(subject):
                yield f"{subject} {word}: no tested rate exceeded the bound, so the maximum rate is a lower limit"
        if record.ended_early:
            yield f"the run {word} is incomplete: {record.ended_early}"
    for name in dict.fromkeys([*before.variants, *after.variants]):
        if name not in before.variants or name not in after.variants:
            yield f"{name} was measured only {'before' if name in before.variants else 'after'}"
