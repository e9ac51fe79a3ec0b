"""Summarises a record: one row per variant, with the spread of each figure over the repetitions."""

from collections import Counter
from collections.abc import Collection

from pydantic import BaseModel, ConfigDict

from loadtests.load.samples import OK, REFUSED, WRONG
from loadtests.report.figures import Percentiles, Spread
from loadtests.report.record import Cell, Record, spread

STEADY_SHARE = 0.7
"""Share of the maximum rate at which p99/p50 is reported."""

PAPER_SIZE, PAPER_TIME = 1 - 0.6408, 1 - 0.523
"""Size and time of LLM.int8() relative to dense in "What Happens When Small Is Made Smaller?" (arXiv 2404.04759)."""


class PercentileSpreads(BaseModel):
    model_config = ConfigDict(extra="forbid")

    p50: Spread | None
    p90: Spread | None
    p95: Spread | None
    p99: Spread | None
    p999: Spread | None
    count: Spread | None


class Steady(BaseModel):
    """The tested rate nearest to 70% of the maximum rate, and p99/p50 at this rate."""

    model_config = ConfigDict(extra="forbid")

    rate: float
    ratio: Spread | None


class Row(BaseModel):
    """One variant, or all of them mixed.

    ``best_rate`` is the main result: the maximum requests/s of the open loop within the bound. It is a lower limit if
    ``best_rate_at_least``, and None if in some repetition every rate exceeded the bound: ``rates_sought`` then says
    how far the search went. ``response``, ``service``, ``queue`` and ``inference`` come from the closed loop with the
    fewest users. ``failures`` counts requests that were neither answered correctly nor refused with 429.
    """

    model_config = ConfigDict(extra="forbid")

    subject: str
    best_rate: Spread | None
    best_rate_at_least: bool
    rates_sought: str
    best_throughput: Spread | None
    best_throughput_generator_share: float
    fewest_users: int
    response: PercentileSpreads
    service: PercentileSpreads
    queue: PercentileSpreads
    inference: PercentileSpreads
    steady: Steady | None
    outcomes: dict[str, int]
    failures: Spread | None
    cost_per_million: float | None


def spreads(cells: list[Cell], kind: str) -> PercentileSpreads:
    def of(percentile: str) -> Spread | None:
        def figure(cell: Cell) -> float | None:
            percentiles: Percentiles | None = getattr(cell.times, kind)
            return percentiles.shown(percentile) if percentiles is not None else None

        return spread(cells, figure)

    return PercentileSpreads(**{percentile: of(percentile) for percentile in PercentileSpreads.model_fields})


def summarise(record: Record) -> list[Row]:
    return [_row(record, subject) for subject in record.subjects]


def _row(record: Record, subject: str) -> Row:
    closed = record.select(subject, "closed")
    fewest = min(closed)
    best_rates = record.best_rates(subject)
    best_rate = Spread.of(best_rates)
    cells = [cell for cell in record.cells if cell.subject == subject]
    outcomes: Counter[str] = Counter()
    for cell in cells:
        outcomes.update(cell.outcomes)
    price = record.settings.price_per_hour
    return Row(
        subject=subject,
        best_rate=best_rate,
        best_rate_at_least=record.ran_out(subject),
        rates_sought="" if best_rate or not best_rates else _sought(best_rates, record.select(subject, "open")),
        best_throughput=_best_throughput(closed),
        best_throughput_generator_share=max(
            (cell for cells in closed.values() for cell in cells), key=lambda cell: cell.throughput
        ).generator_cpu_share,
        fewest_users=int(fewest),
        response=spreads(closed[fewest], "response"),
        service=spreads(closed[fewest], "service"),
        queue=spreads(closed[fewest], "queue"),
        inference=spreads(closed[fewest], "inference"),
        steady=_steady(record, subject, best_rate),
        outcomes={OK: outcomes.pop(OK, 0), **dict(sorted(outcomes.items()))},
        failures=_failures(cells),
        cost_per_million=price / 3600 / best_rate.median * 1e6 if price and best_rate and best_rate.median else None,
    )


def _sought(best_rates: list[float | None], levels: Collection[float]) -> str:
    found = f"none found in {best_rates.count(None)} of {len(best_rates)} repetitions"
    return (
        f"{found}, down to {min(levels):g}/s"
        if levels
        else f"{found}: no closed loop got a correct answer within its seconds (--seconds)"
    )


def _failures(cells: list[Cell]) -> Spread | None:
    failures = dict.fromkeys((cell.repetition for cell in cells), 0)
    for cell in cells:
        failures[cell.repetition] += sum(
            count for outcome, count in cell.outcomes.items() if outcome not in (OK, REFUSED)
        )
    return Spread.of(list(failures.values()))


def _best_throughput(closed: dict[float, list[Cell]]) -> Spread | None:
    best: dict[int, float] = {}
    for cells in closed.values():
        for cell in cells:
            best[cell.repetition] = max(best.get(cell.repetition, 0.0), cell.throughput)
    return Spread.of(list(best.values()))


def _steady(record: Record, subject: str, best_rate: Spread | None) -> Steady | None:
    levels = record.select(subject, "open")
    if best_rate is None or not best_rate.median or not levels:
        return None
    level = min(levels, key=lambda level: abs(level - STEADY_SHARE * best_rate.median))
    cells = levels[level]

    def ratio(cell: Cell) -> float | None:
        response = cell.times.response
        tail = response.shown("p99") if response else None
        return tail / response.p50 if response and tail is not None else None

    return Steady(rate=level, ratio=spread(cells, ratio))


def shortcomings(record: Record) -> list[str]:
    """What makes a run fail: wrong answers, failed requests, and variants that were refused every time.

    Other refusals (429) are what the service does above its capacity, or below it if ``NER_MAX_WAIT_SECONDS`` is
    little more than the time of one request.
    """
    totals: dict[str, Counter[str]] = {subject: Counter() for subject in record.subjects}
    for cell in record.cells:
        totals[cell.subject].update(cell.outcomes)
    outcomes = sum(totals.values(), Counter[str]())
    found = []
    if wrong := outcomes[WRONG]:
        found.append(f"{wrong} answers under load differ from the reference answers: see the report.")
    failed = {name: count for name, count in sorted(outcomes.items()) if name not in (OK, REFUSED, WRONG)}
    if failed:
        listed = ", ".join(f"{name}: {count:,}" for name, count in failed.items())
        found.append(
            f"{sum(failed.values()):,} of {outcomes.total():,} requests failed ({listed}): see the report and the"
            " server's log."
        )
    if refused := [subject for subject, total in totals.items() if set(total) == {REFUSED}]:
        found.append(
            f"All requests for {', '.join(refused)} were refused with 429: raise the server's NER_MAX_IN_FLIGHT or"
            " NER_MAX_WAIT_SECONDS."
        )
    return found


def pareto(points: dict[str, tuple[float, float]]) -> list[str]:
    """The names of the points (time, F1) that no other point beats in both, from the fastest on."""
    front: list[str] = []
    best = float("-inf")
    for name, (_, f1) in sorted(points.items(), key=lambda item: (item[1][0], -item[1][1])):
        if f1 > best:
            front.append(name)
            best = f1
    return front
