"""The results page in Markdown, generated from the result files."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from build_models.errors import BuildError
from build_models.experiments.cells import Cell, Tests
from build_models.experiments.report.claims import MARGIN
from build_models.experiments.report.figures import Row, pareto_front
from build_models.experiments.report.groups import Group, groups_of
from build_models.experiments.report.plots import plot_pruning, plot_sizes, plot_unseen
from build_models.experiments.report.power import power
from build_models.experiments.report.provenance import provenance
from build_models.experiments.report.questions import questions
from build_models.experiments.report.verdicts import targets, text, verdicts
from build_models.experiments.results import BASES, CellResult, read_equal_codes, read_pretraining, read_results

PAGE = "README.md"
PAPER_PARAMETERS = 111e6


def write_page(folder: Path, base: str | None = None) -> Path:
    """Write the page and its plots to ``folder``, which has result files in ``cells/`` and records in ``bases/``.

    The verdicts are on ``base`` (default: the base with the most rows). Raises ``BuildError`` if it has no results,
    and ``ResultError`` for a damaged result file or record.
    """
    results = list(read_results(folder / "cells"))
    if not results:
        raise BuildError(f"{folder / 'cells'} has no results: run python -m build_models experiments first")
    bases = {(result.cell.base, result.cell.base_digest) for result in results}
    recipes = {
        digest: made.recipe for name, digest in bases if (made := read_pretraining(folder / BASES, name, digest))
    }
    groups = groups_of(results, base, read_equal_codes(folder), recipes)
    page = folder / PAGE
    page.write_text("\n".join(lines(groups, folder)) + "\n", encoding="utf-8")
    return page


def lines(groups: Sequence[Group], folder: Path) -> Iterator[str]:
    """The lines of the page. Raises ``BuildError`` if no row is complete."""
    main = groups[0]
    if not main.rows:
        raise BuildError(f"No seed of base {main.base} has results in every language: continue the experiment")
    comparable = [group for group in groups if not group.differences(main)]
    yield "# Results of the compression experiments"
    yield ""
    yield (
        "`python -m build_models results` generates this page from the result files in `cells/`. Each model is"
        " fine-tuned on one language. F1 is strict IOB2 micro F1 in points on the test split of that language, computed"
        " by the service's pipeline. The commands are under [Setup](#setup)."
    )
    yield ""
    yield (
        "Differences are paired by language and seed, and use only the seeds that both models have, so they need not be"
        " the difference of two means in a table. *Before* and *after* say whether a model was pruned before or after"
        " fine-tuning; *T* is the temperature of distillation; *1 + 2 epochs* are those in which `pocket` learns hidden"
        " states, then labels."
    )
    yield ""
    yield from scale(main)
    yield from summary(main, folder)
    # No claim is about dense models alone.
    if any(row.cell.variant != "dense" for group in comparable for row in group.rows):
        yield from judged(comparable)
    yield from power(main)
    yield from questions(comparable, folder)
    yield from provenance(groups, folder)
    yield from left_out(groups)
    yield (
        "In the tables below, the column *unseen* leaves out test sentences that also occur in the training split. ± is"
        " the standard deviation over seeds of the average over languages; *cells* has the number of pairs. Times are"
        " medians for one text at a time. They were taken beside other work, and on several machines if the base was"
        " made on several, so they are only approximate."
    )
    yield ""
    yield from pretraining(comparable)
    for number, group in enumerate(groups):
        suffix = f"-{number + 1}" if number else ""
        if len(group.rows) > 1:
            yield from sections(group, folder, suffix)


def judged(groups: Sequence[Group]) -> Iterator[str]:
    """The verdicts on the paper's claims, and the targets."""
    yield f"## Verdicts (base `{groups[0].base}`)"
    yield ""
    yield (
        "The tests are those of docs/experiments.md, which says what was written down before a grid ran, and whether"
        " results were looked at while it did. Intervals are of 95%; verdicts use wider ones, so that with 95%"
        " probability none of them is wrong, or nearly so where results were looked at. *Could see* is the distance"
        " from a claim's line that its least powerful test would have shown with a probability of 80%. That two models"
        f" are close, which means within {MARGIN:g}, can hardly be confirmed where that distance is larger."
    )
    yield ""
    yield (
        "The verdicts are about languages like these, with the seeds and bases of this study. *Other seeds* is the"
        " verdict by the same tests if the seeds are a sample as well (two-way random effects); the bases are still"
        " given. It was added when the results were known. With two or three seeds it has little power: a verdict that"
        " becomes open there rests on few seeds, but was not shown to depend on them."
    )
    yield ""
    yield "| claim of the paper (arXiv 2404.04759) | paper | here [95% CI] | verdict | other seeds | could see |"
    yield "|---|---|---|---|---|--:|"
    for verdict in verdicts(groups):
        yield (
            f"| {verdict.claim} | {verdict.paper} | {verdict.here} | **{verdict.verdict}** | {verdict.other_seeds} |"
            f" {verdict.seen} |"
        )
    yield ""
    yield "| target | difference [95% CI] | met (variants: by the mean, bases: by the interval) |"
    yield "|---|--:|---|"
    for target in targets(groups):
        yield f"| {target.target} | {target.here} | {'met' if target.met else '**not met**'} |"
    yield ""


def summary(group: Group, folder: Path) -> Iterator[str]:
    """The figure of F1 against size, and what is best at its size."""
    if plot_sizes(group, folder / "size.svg"):
        yield "![F1 against size](size.svg)"
        yield ""
        yield (
            "F1 against size, with the 95% interval of the difference from dense. On the Pareto front, where no other"
            " technique is both smaller and better: "
            + "; ".join(
                f"{row.cell.technique} ({row.megabytes:.1f} MB, F1 {row.f1().mean:.1f})"
                for row in pareto_front(group.tested("own"), group.dense())
            )
            + "."
        )
        yield ""


def left_out(groups: Sequence[Group]) -> Iterator[str]:
    """Results that no table has, and bases that no verdict is about."""
    main = groups[0]
    for name, number in Counter(group.base for group in groups if not group.differences(main)).items():
        if number > 1:
            yield f"{number} bases are named `{name}`: their recipes differ, or a record in `{BASES}/` is missing."
            yield ""
    for group in groups:
        if group.other_code:
            codes = ", ".join(sorted({result.code[:12] for result in group.other_code}))
            yield (
                f"Of other code ({codes}) than the rest of base `{group.base}` and left out: {files(group.other_code)}."
            )
            yield ""
        if group.other_makes:
            yield (
                f"Left out, because their seed has results of another make of base `{group.base}`:"
                f" {files(group.other_makes)}."
            )
            yield ""
        if group.unfinished:
            names = (f"{row.cell.technique}, {row.cell.tests} ({len(row.results)} cells)" for row in group.unfinished)
            yield f"Unfinished on base `{group.base}` and left out: {'; '.join(names)}."
            yield ""
    for group in groups:
        if different := group.differences(main):
            yield f"Base `{group.base}` is not comparable with `{main.base}`: {', '.join(different)}."
            yield ""


def files(results: Sequence[CellResult]) -> str:
    return ", ".join(f"cells/{result.cell.digest}.json" for result in results)


def scale(group: Group) -> Iterator[str]:
    row = group.rows[0]
    yield (
        f"**Scale.** The models have {row.parameters / 1e6:.1f} M parameters. The paper's have 111 M and 126 M and were"
        f" pretrained on far more text. The verdicts hold for models of this size; for AfriBERTa, they are only a hint."
        if row.parameters < PAPER_PARAMETERS / 2
        else f"**Scale.** The models have {row.parameters / 1e6:.1f} M parameters, about as many as the paper's."
    )
    yield ""


def pretraining(groups: Sequence[Group]) -> Iterator[str]:
    """A comparison of the dense models of all bases."""
    rows = [row for group in groups if (row := group.dense())]
    if len(rows) < 2:
        return
    yield "## The bases"
    yield ""
    yield (
        "A base with 0 steps is untrained. With `--no-neighbours`, its weights are random except for spelling-based"
        " embeddings. With `--neighbours`, some heads also start out attending to neighbouring pieces."
    )
    yield ""
    best = max(rows, key=lambda row: row.f1().mean)
    yield from table(rows, best, lambda row: f"{row.cell.base}, {rate(row.cell)}", f"difference from {best.cell.base}")


def rate(cell: Cell) -> str:
    rates = f"rate {cell.finetune.learning_rate:g}"
    if cell.finetune.matrix_learning_rate:
        rates += f", Muon {cell.finetune.matrix_learning_rate:g}"
    regularized = ", regularized" if cell.regularized else ""
    return f"{cell.finetune.epochs} epochs, {rates}{regularized}"


def sections(group: Group, folder: Path, suffix: str) -> Iterator[str]:
    """Tables and plots of one base."""
    reference = group.dense()
    parts = (
        ("pruning", "Pruning", ["pruned"], plot_pruning),
        ("distillation", "Distillation", ["distilled"], None),
        ("quantization", "Quantization and combinations", ["int8", "dynamic", "distilled-dynamic", "pocket"], None),
    )
    for name, title, variants, plot in parts:
        rows = group.variants("dense", *variants)
        if len(rows) > 1:
            yield f"## {title} (base `{group.base}`)"
            yield ""
            yield from table(rows, reference)
            if plot and plot(group, folder / f"{name}{suffix}.svg"):
                yield f"![{title}]({name}{suffix}.svg)"
                yield ""
    yield from other_tests(group, "crosslingual", "Languages without fine-tuning", folder, suffix)
    yield from other_tests(group, "robustness", "Noisy test sentences", folder, suffix)
    # The page begins with that of the first.
    if suffix and plot_sizes(group, folder / f"size{suffix}.svg"):
        yield f"![F1 against size](size{suffix}.svg)"
        yield ""


def table(
    rows: Sequence[Row],
    reference: Row | None,
    name_of: Callable[[Row], str] = lambda row: row.cell.technique,
    against: str = "difference",
) -> Iterator[str]:
    """A table with one row per technique."""
    languages = sorted({language for row in rows for language in row.languages})
    columns = ["F1", f"{against} [95% CI]", "unseen", *languages, "MB", "parameters", "non-zero", "ms/text", "cells"]
    yield f"| | {' | '.join(columns)} |"
    yield "|---|" + "--:|" * len(columns)
    for row in rows:
        difference = "" if row is reference or reference is None else text(row.difference(reference))
        values = [
            with_deviation(row),
            difference,
            mean_f1(row, "test, unseen"),
            *(f"{row.language_f1(language):.1f}" if language in row.languages else "" for language in languages),
            f"{row.megabytes:.2f}",
            f"{row.parameters:,.0f}",
            f"{row.nonzero_parameters:,.0f}",
            f"{row.milliseconds:.2f}",
            str(len(row.results)),
        ]
        yield f"| {name_of(row)} | {' | '.join(values)} |"
    yield ""


def with_deviation(row: Row, name: str = "test") -> str:
    deviation = row.deviation(name)
    mean = mean_f1(row, name)
    return mean if math.isnan(deviation) else f"{mean} ± {deviation:.1f}"


def mean_f1(row: Row, name: str) -> str:
    """The mean of a score, or a dash: a test set can have been missing when the row was run."""
    return f"{row.f1(name).mean:.1f}" if name in row.tests else "–"


def other_tests(group: Group, tests: Tests, title: str, folder: Path, suffix: str) -> Iterator[str]:
    """A table with one column per additional test set."""
    rows = group.tested(tests)
    if tests == "robustness":
        rows += group.trained_with_noise()
    if not rows:
        return
    names = [name for name in dict.fromkeys(name for row in rows for name in row.tests) if name != "dev"]
    yield f"## {title} (base `{group.base}`)"
    yield ""
    yield f"| | {' | '.join(names)} | cells |"
    yield "|---|" + "--:|" * (len(names) + 1)
    for row in rows:
        scores = " | ".join(with_deviation(row, name) for name in names)
        yield f"| {row.cell.technique} | {scores} | {len(row.results)} |"
    yield ""
    if tests == "crosslingual" and plot_unseen(group, folder / f"{tests}{suffix}.svg"):
        yield f"![{title}]({tests}{suffix}.svg)"
        yield ""
