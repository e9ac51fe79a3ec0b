"""The figures of the results page: means and intervals over the languages and seeds of one technique.

``inference.py`` says what the intervals mean.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median, stdev

from build_models.experiments.cells import Cell
from build_models.experiments.report.inference import Estimate, crossed, estimate
from build_models.experiments.results import CellResult

Pair = tuple[str, int]
"""A language and a seed; techniques are compared on equal pairs."""


def over_languages(values: Mapping[Pair, float]) -> Estimate:
    """The mean over languages of the means over seeds; ``number`` is the number of languages.

    Raises ``statistics.StatisticsError`` if there are no values.
    """
    by_language: dict[str, list[float]] = defaultdict(list)
    for (language, _), value in values.items():
        by_language[language].append(value)
    over = estimate([fmean(some) for some in by_language.values()])
    with_seeds = crossed(values)
    return (
        replace(over, other_seeds=Estimate(over.mean, with_seeds[0], over.number, with_seeds[1]))
        if with_seeds
        else over
    )


@dataclass(frozen=True, eq=False)
class Row:
    """All results of one technique on one base with the same fine-tuning settings.

    The base may have been made several times by the same recipe; a seed then has results of one of them.
    """

    results: Sequence[CellResult]

    @property
    def cell(self) -> Cell:
        """A cell; all are equal except for language, seed and the digest of a base that was made again."""
        return self.results[0].cell

    @property
    def languages(self) -> list[str]:
        return sorted({language for result in self.results for language in result.cell.languages})

    @property
    def seeds(self) -> list[int]:
        return sorted({result.cell.seed for result in self.results})

    def scores(self, name: str = "test") -> dict[Pair, float]:
        """F1 in points (0 to 100) by language and seed."""
        return {
            (language, result.cell.seed): 100 * f1
            for result in self.results
            if name in result.scores
            for language, f1 in f1_by_language(result, name).items()
        }

    @property
    def tests(self) -> list[str]:
        """The names of the scores that any result has, in their order."""
        return list(dict.fromkeys(name for result in self.results for name in result.scores))

    def f1(self, name: str = "test") -> Estimate:
        return over_languages(self.scores(name))

    def language_f1(self, language: str, name: str = "test") -> float:
        return fmean(f1 for (other, _), f1 in self.scores(name).items() if other == language)

    def deviation(self, name: str = "test") -> float:
        """Standard deviation over seeds of the average over languages; NaN for a single seed."""
        by_seed: dict[int, list[float]] = defaultdict(list)
        for (_, seed), f1 in self.scores(name).items():
            by_seed[seed].append(f1)
        averages = [fmean(some) for some in by_seed.values()]
        return stdev(averages) if len(averages) > 1 else math.nan

    def difference(self, reference: "Row", name: str = "test") -> Estimate | None:
        """Paired F1 difference from the reference in points; None if they share no pair."""
        return compare(self.scores(name), reference.scores(name), lambda mine, theirs: mine - theirs)

    def change(
        self,
        reference: "Row",
        value: Callable[[CellResult], float],
        where: Callable[[CellResult], str] = lambda result: "",
    ) -> Estimate | None:
        """Paired relative change of a value from the reference in percent; None if they share no pair.

        ``where`` is what a pair must have in common besides its language and seed, such as the machine.
        """
        mine, theirs = (
            {((result.cell.language, result.cell.seed), where(result)): value(result) for result in row.results}
            for row in (self, reference)
        )
        both = sorted(mine.keys() & theirs.keys())
        here, there = ({pair: some[pair, place] for pair, place in both} for some in (mine, theirs))
        return compare(here, there, percent_above)

    def slowdown(self, reference: "Row") -> Estimate | None:
        """``change`` of the time per text on the same kind of machine."""
        return self.change(
            reference,
            lambda result: result.seconds_per_text,
            lambda result: f"{result.machine.cpu}, {result.machine.cores} cores",
        )

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
        """Milliseconds per text: the median over cells of their medians."""
        return 1000 * median(result.seconds_per_text for result in self.results)


def f1_by_language(result: CellResult, name: str) -> Mapping[str, float]:
    """F1 by the language of the model; one model of several languages has one for each."""
    score = result.scores[name]
    return score.languages if len(result.cell.languages) > 1 else {result.cell.language: score.f1}


def compare(
    mine: Mapping[Pair, float], theirs: Mapping[Pair, float], relation: Callable[[float, float], float]
) -> Estimate | None:
    """The mean ``relation(mine, theirs)`` over the pairs that both have; None if there are none.

    Pairs for which it is NaN are left out: a share of an F1 of 0 says nothing.
    """
    related = {pair: relation(mine[pair], theirs[pair]) for pair in sorted(mine.keys() & theirs.keys())}
    known = {pair: value for pair, value in related.items() if not math.isnan(value)}
    return over_languages(known) if known else None


def percent_above(mine: float, theirs: float) -> float:
    """The relative difference in percent; NaN if ``theirs`` is 0."""
    return 100 * (mine / theirs - 1) if theirs else math.nan


def rows_of(results: Iterable[CellResult]) -> list[Row]:
    """Group the results of one base that differ only in language and seed into rows, in the order of the page."""
    groups: dict[str, list[CellResult]] = defaultdict(list)
    for result in results:
        # Digests differ by language and by make of the base, so they do not separate rows.
        settings = result.cell.model_dump_json(exclude={"language", "seed", "data_digest", "base_digest"})
        groups[f"{len(result.cell.languages)} {settings}"].append(result)
    rows = [
        Row(sorted(group, key=lambda result: (result.cell.language, result.cell.seed))) for group in groups.values()
    ]
    return sorted(rows, key=_order)


def _order(row: Row) -> tuple[object, ...]:
    cell = row.cell
    return (
        len(cell.languages),
        cell.finetune.noise_share,
        ("dense", "pruned", "distilled", "int8", "dynamic", "distilled-dynamic", "pocket").index(cell.variant),
        cell.prune_after,
        cell.recovery_epochs,
        cell.sparsity,
        cell.agnostic_steps,
        cell.student_layers or 0,
        cell.student_heads or 0,
        cell.temperature or 0.0,
        cell.outliers,
        cell.int8_classifier,
        -cell.int8_threshold,
    )


def pareto_front(rows: Sequence[Row], reference: Row | None = None) -> list[Row]:
    """The rows that no other row beats in both size and F1, sorted by size.

    Rows may have other seeds than the reference, so F1 is compared by the paired differences from it.
    """

    def f1(row: Row) -> float:
        difference = row.difference(reference) if reference else row.f1()
        return -math.inf if difference is None else difference.mean

    front: list[Row] = []
    for row in sorted(rows, key=lambda row: (row.megabytes, -f1(row))):
        if not front or f1(row) > f1(front[-1]):
            front.append(row)
    return front
