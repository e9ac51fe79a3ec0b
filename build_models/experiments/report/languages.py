"""Which sparsity is best for which language, and what of a language goes with it."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from build_models.errors import BuildError
from build_models.experiments.report.claims import MARGIN
from build_models.experiments.report.figures import Row
from build_models.experiments.report.groups import Group
from build_models.experiments.report.inference import correlation
from build_models.experiments.report.plots import plot_languages
from build_models.experiments.results import record_path

LANGUAGES = "languages"
"""Folder of what languages are compared by, next to the cells."""

PREDICTORS = {
    "pieces_per_word": "pieces per word",
    "sentences": "training sentences",
    "latin": "share of Latin letters",
}


def sparsity_by_language(group: Group, folder: Path) -> Iterator[str]:
    reference, curve = group.dense(), group.curve(after=False)
    if reference is None or len(curve) < 2 or len(reference.languages) < 4:
        return
    lost = {
        language: {row.cell.sparsity: difference_of(row, reference, language) for row in curve}
        for language in reference.languages
    }
    facts = facts_of(group, folder)
    known = [name for name in PREDICTORS if all(name in facts.get(language, {}) for language in lost)]
    yield "## Which sparsity is best for which language?"
    yield ""
    yield (
        "Pruned before fine-tuning. *Highest* is the highest sparsity up to which no mean over seeds is more than"
        f" {MARGIN:.1f} F1 below dense. With the few seeds of one language, it is within chance of its neighbours."
    )
    yield ""
    sparsities = [row.cell.sparsity for row in curve]
    columns = [*(f"{sparsity:.0%}" for sparsity in sparsities), "highest", *(PREDICTORS[name] for name in known)]
    yield f"| language | {' | '.join(columns)} |"
    yield "|---|" + "--:|" * len(columns)
    for language, by_sparsity in lost.items():
        values = [f"{by_sparsity[sparsity]:+.1f}" for sparsity in sparsities]
        best = highest(by_sparsity)
        values.append(f"{best:.0%}" if best else f"under {sparsities[0]:.0%}")
        values += [f"{facts[language][name]:g}" for name in known]
        yield f"| {language} | {' | '.join(values)} |"
    yield ""
    if known:
        sparse = [sparsity for sparsity in sparsities if sparsity >= 0.7]
        yield "Rank correlation (Spearman, 95% interval of Bonett and Wright 2000) of the difference from dense with:"
        yield ""
        yield f"| | {' | '.join(f'{sparsity:.0%}' for sparsity in sparse)} |"
        yield "|---|" + "--:|" * len(sparse)
        for name in known:
            found = [
                correlation(
                    [facts[language][name] for language in lost], [lost[language][sparsity] for language in lost]
                )
                for sparsity in sparse
            ]
            values = [
                f"{r:+.2f}" if math.isnan(low) else f"{r:+.2f} [{low:+.2f}, {high:+.2f}]" for r, low, high in found
            ]
            yield f"| {PREDICTORS[name]} | {' | '.join(values)} |"
        yield ""
        yield f"With {len(lost)} languages, an interval that includes 0 is inconclusive."
        yield ""
    plot_languages(lost, folder / "languages.svg")
    yield "![Difference from dense by language](languages.svg)"
    yield ""


def difference_of(row: Row, reference: Row, language: str) -> float:
    mine, theirs = row.scores(), reference.scores()
    return fmean(mine[pair] - theirs[pair] for pair in mine.keys() & theirs.keys() if pair[0] == language)


def highest(lost: Mapping[float, float]) -> float:
    """The highest sparsity before the first that loses more than the margin; 0 if the first does."""
    best = 0.0
    for sparsity, difference in sorted(lost.items()):
        if difference < -MARGIN:
            break
        best = sparsity
    return best


def facts_of(group: Group, folder: Path) -> dict[str, dict[str, float]]:
    """What the languages are compared by: the same for all makes of the base, which have one tokenizer.

    Raises ``BuildError`` if the file is damaged.
    """
    digests = sorted({result.cell.base_digest for row in group.rows for result in row.results})
    paths = [record_path(folder / LANGUAGES, group.base, digest) for digest in digests]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {language: {name: float(some[name]) for name in PREDICTORS} for language, some in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BuildError(f"{path} is damaged ({error}): delete it and run the experiment again") from error
