"""Numbers of the page: what the cells of one technique come to over languages and seeds, beside the dense model's.

One rule makes every interval: seeds are averaged within each language, and Student's t is taken over the languages.
Seeds of one language share its data and test set, so they are no independent observations; and the two or three seeds
that a grid has would give an interval too wide to say anything. Such an interval is about languages like these.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from build_models.experiments.cells import Cell
from build_models.experiments.results import CellResult, refuse_mixed_data

_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""97.5% quantiles of Student's t for 1 to 10 degrees of freedom."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95% interval, of ``number`` values; with one value the interval is all numbers."""

    mean: float
    low: float
    high: float
    number: int


def estimate(values: Sequence[float]) -> Estimate:
    """By Student's t. Raises ``statistics.StatisticsError`` for no value at all."""
    mean = fmean(values)
    if len(values) < 2:
        return Estimate(mean, -math.inf, math.inf, len(values))
    degrees = len(values) - 1
    # From there on this is right to 1%.
    quantile = _T[degrees - 1] if degrees <= len(_T) else 1.96 + 2.4 / degrees
    half = quantile * stdev(values) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half, len(values))


Pair = tuple[str, int]
"""A language and a seed: what is compared is always the same pair with another technique."""


def over_languages(values: Mapping[Pair, float]) -> Estimate:
    """The mean of the languages' means over seeds, with the interval over languages: its ``number`` counts them.

    Raises ``statistics.StatisticsError`` for no value at all.
    """
    by_language: dict[str, list[float]] = defaultdict(list)
    for (language, _), value in values.items():
        by_language[language].append(value)
    return estimate([fmean(some) for some in by_language.values()])


@dataclass(frozen=True, eq=False)
class Row:
    """All results of one technique on one base, fine-tuned in one way; each row is one of its own."""

    results: Sequence[CellResult]

    @property
    def cell(self) -> Cell:
        """One of the cells; all are alike but for language and seed."""
        return self.results[0].cell

    @property
    def languages(self) -> list[str]:
        return sorted({result.cell.language for result in self.results})

    @property
    def seeds(self) -> list[int]:
        return sorted({result.cell.seed for result in self.results})

    def scores(self, name: str = "test") -> dict[Pair, float]:
        """F1 in points, 0 to 100, for each language and seed."""
        return {
            (result.cell.language, result.cell.seed): 100 * result.scores[name].f1
            for result in self.results
            if name in result.scores
        }

    def f1(self, name: str = "test") -> Estimate:
        return over_languages(self.scores(name))

    def language_f1(self, language: str, name: str = "test") -> float:
        return fmean(f1 for (other, _), f1 in self.scores(name).items() if other == language)

    def deviation(self, name: str = "test") -> float:
        """Standard deviation over seeds of the average over languages; not a number for one seed."""
        by_seed: dict[int, list[float]] = defaultdict(list)
        for (_, seed), f1 in self.scores(name).items():
            by_seed[seed].append(f1)
        averages = [fmean(some) for some in by_seed.values()]
        return stdev(averages) if len(averages) > 1 else math.nan

    def difference(self, reference: "Row", name: str = "test") -> Estimate | None:
        """F1 less the reference's in points, pair by pair; None if they share no pair."""
        return compare(self.scores(name), reference.scores(name), lambda mine, theirs: mine - theirs)

    def change(self, reference: "Row", value: Callable[[CellResult], float]) -> Estimate | None:
        """By how many percent a value is above the reference's, pair by pair; None if they share no pair."""
        mine, theirs = (
            {(result.cell.language, result.cell.seed): value(result) for result in row.results}
            for row in (self, reference)
        )
        return compare(mine, theirs, percent_above)

    @property
    def megabytes(self) -> float:
        return fmean(result.artifact_bytes for result in self.results) / 1e6

    @property
    def parameters(self) -> float:
        return fmean(result.parameters for result in self.results)

    @property
    def nonzero_parameters(self) -> float:
        return fmean(result.nonzero_parameters for result in self.results)

    @property
    def milliseconds(self) -> float:
        """Median over cells of the median over sentences."""
        times = sorted(result.seconds_per_text for result in self.results)
        return 1000 * times[len(times) // 2]


def compare(
    mine: Mapping[Pair, float], theirs: Mapping[Pair, float], relation: Callable[[float, float], float]
) -> Estimate | None:
    """A relation of two rows' values over the pairs that both have; None if there are none."""
    related = {pair: relation(mine[pair], theirs[pair]) for pair in sorted(mine.keys() & theirs.keys())}
    return over_languages(related) if related else None


def percent_above(mine: float, theirs: float) -> float:
    """Not a number where there is nothing to compare with."""
    return 100 * (mine / theirs - 1) if theirs else math.nan


def rows_of(results: Iterable[CellResult]) -> list[Row]:
    """Results that differ in language and seed only, together; in an order that tells a story.

    Raises ``ResultError`` for results of different data under one name: their average would mean nothing.
    """
    results = list(results)
    refuse_mixed_data(results)
    groups: dict[str, list[CellResult]] = defaultdict(list)
    for result in results:
        # Each language has data of its own, so the digest is not what tells rows apart.
        groups[result.cell.model_dump_json(exclude={"language", "seed", "data_digest"})].append(result)
    rows = [
        Row(sorted(group, key=lambda result: (result.cell.language, result.cell.seed))) for group in groups.values()
    ]
    return sorted(rows, key=_order)


def _order(row: Row) -> tuple[object, ...]:
    cell = row.cell
    return (
        ("dense", "pruned", "distilled", "int8", "dynamic").index(cell.variant),
        cell.prune_after,
        cell.recovery_epochs,
        cell.sparsity,
        cell.agnostic_steps,
        cell.student_layers or 0,
        cell.student_heads or 0,
        cell.temperature or 0.0,
    )


def pareto_front(rows: Sequence[Row]) -> list[Row]:
    """The rows that no other beats in both size and F1, by size."""
    front: list[Row] = []
    for row in sorted(rows, key=lambda row: (row.megabytes, -row.f1().mean)):
        if not front or row.f1().mean > front[-1].f1().mean:
            front.append(row)
    return front
