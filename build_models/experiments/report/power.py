"""What other studies with the spread of this one could see."""

import math
from collections.abc import Iterator
from statistics import fmean

from build_models.experiments.report.claims import CLAIMS
from build_models.experiments.report.figures import Row
from build_models.experiments.report.groups import Group
from build_models.experiments.report.inference import ALPHA, Estimate


def power(group: Group) -> Iterator[str]:
    """Which difference a study of other numbers of languages and seeds would see, from the spread of this one."""
    reference = group.dense()
    # Pruned after fine-tuning, models differ from dense by so much more that they would be most of the spread.
    rows = [
        row for row in group.variants("pruned", "distilled") if row.cell.sparsity <= 0.7 and not row.cell.prune_after
    ]
    spreads = [spread for row in rows if reference and (spread := variances(row, reference))]
    if not spreads:
        return
    between, within = (fmean(spread[part] for spread in spreads) for part in (0, 1))
    yield "## Power"
    yield ""
    yield (
        "Between languages, the difference of a student, or a model pruned by up to 70% before fine-tuning, from dense"
        f" has a standard deviation of {math.sqrt(between):.2f} F1; between seeds of one language,"
        f" {math.sqrt(within):.2f}. With that spread, a test at the level of these verdicts (0.05/{len(CLAIMS)}) sees"
        " the following distance from its line with a probability of 80% (a sixth more for three languages, where the"
        " approximation is poor):"
    )
    yield ""
    yield "| languages | 1 seed | 2 seeds | 3 seeds | 5 seeds |"
    yield "|--:|--:|--:|--:|--:|"
    for languages in (3, 5, 10, 20):
        seen = [
            Estimate(0.0, math.sqrt((between + within / seeds) / languages), languages).seen(ALPHA / len(CLAIMS))
            for seeds in (1, 2, 3, 5)
        ]
        yield f"| {languages} | {' | '.join(f'{value:.1f}' for value in seen)} |"
    yield ""


def variances(row: Row, reference: Row) -> tuple[float, float] | None:
    """The variance of differences between languages and between seeds of one, by the method of moments."""
    mine, theirs = row.scores(), reference.scores()
    by_language: dict[str, list[float]] = {}
    for language, seed in sorted(mine.keys() & theirs.keys()):
        by_language.setdefault(language, []).append(mine[language, seed] - theirs[language, seed])
    several = [values for values in by_language.values() if len(values) > 1]
    if len(by_language) < 2 or not several:
        return None
    within = fmean(sum((value - fmean(values)) ** 2 for value in values) / (len(values) - 1) for values in several)
    means = [fmean(values) for values in by_language.values()]
    seeds = 1 / fmean(1 / len(values) for values in by_language.values())
    spread = sum((mean - fmean(means)) ** 2 for mean in means) / (len(means) - 1)
    return max(0.0, spread - within / seeds), within
