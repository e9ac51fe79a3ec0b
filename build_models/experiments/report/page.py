"""The page of results, made from the result files alone."""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from build_models.errors import BuildError
from build_models.experiments.cells import SAMPLE, Cell, Tests
from build_models.experiments.report.figures import Row, pareto_front, rows_of
from build_models.experiments.report.groups import Group, groups_of
from build_models.experiments.report.plots import plot_pruning, plot_sizes, plot_unseen
from build_models.experiments.report.verdicts import targets, text, verdicts
from build_models.experiments.results import read_results, record_path

PAGE = "README.md"
BASES = "bases"
PAPER_PARAMETERS = 111e6


def write_page(folder: Path, base: str | None = None) -> Path:
    """Write the page and its plots beside ``cells/``, where the result files are, and ``bases/``.

    The verdicts are on ``base``, or on the base with the most rows. Raises ``BuildError`` if there is no result
    (of it), and ``ResultError`` for a damaged one.
    """
    results = list(read_results(folder / "cells"))
    if not results:
        raise BuildError(f"{folder / 'cells'} has no results: run python -m build_models experiments first")
    groups = groups_of(rows_of(results), base)
    page = folder / PAGE
    page.write_text("\n".join(lines(groups, folder)) + "\n", encoding="utf-8")
    return page


def lines(groups: Sequence[Group], folder: Path) -> Iterator[str]:
    """The page in Markdown. Raises ``BuildError`` if nothing is finished."""
    main = groups[0]
    if not main.rows:
        raise BuildError(f"No seed of base {main.base} has a result in every language: let the experiment go on")
    alike = [group for group in groups if not group.differences(main)]
    yield "# What compression costs: the paper's experiments, run here"
    yield ""
    yield (
        "Made by `python -m build_models results` from the files in `cells/`, one for each cell. F1 is strict IOB2"
        " micro F1 in points, decoded and counted by the service's own pipeline, on the test split of each language;"
        " a model is fine-tuned on one language. Test sentences that also stand in the training split count; the"
        " column *unseen* leaves them out. ± is the standard deviation over seeds of the average over languages."
        " Differences are to dense, pair by pair, with their 95% interval: the seeds of a language are averaged, and"
        " Student's t is taken over the languages, so an interval speaks of languages like these, and with one"
        " language there is none. A verdict is open unless its interval lies on one side of the line. Rows may have"
        " other seeds than dense, as the column *cells* shows; a difference is over those that both have."
        " Times are medians, one text at a time, taken while other work ran on the machine: read them as sizes."
    )
    yield ""
    yield from provenance(groups, folder)
    yield from scale(main)
    for group in groups:
        if group.unfinished:
            names = (f"{row.cell.technique}, {row.cell.tests} ({len(row.results)} cells)" for row in group.unfinished)
            yield f"Not finished on base `{group.base}` and left out below: {'; '.join(names)}."
            yield ""
    for group in groups:
        if different := group.differences(main):
            yield f"Base `{group.base}` is not compared with `{main.base}`: {', '.join(different)}."
            yield ""
    yield f"## Verdicts (base `{main.base}`)"
    yield ""
    yield "| claim of the paper (arXiv 2404.04759) | its figure | here | verdict |"
    yield "|---|---|---|---|"
    for verdict in verdicts(alike):
        yield f"| {verdict.claim} | {verdict.paper} | {verdict.here} | **{verdict.verdict}** |"
    yield ""
    yield "| target | difference [95%] | by the mean for variants, by the interval for bases |"
    yield "|---|--:|---|"
    for target in targets(alike):
        yield f"| {target.target} | {target.here} | {'met' if target.met else '**not met**'} |"
    yield ""
    yield from pretraining(alike)
    for number, group in enumerate(groups):
        suffix = f"-{number + 1}" if number else ""
        if len(group.rows) > 1:
            yield from sections(group, folder, suffix)


def provenance(groups: Sequence[Group], folder: Path) -> Iterator[str]:
    """What made the numbers."""
    yield "## What was run"
    yield ""
    results = [result for group in groups for row in group.rows for result in row.results]
    machines = sorted({f"{result.machine.cpu}, {result.machine.cores} cores" for result in results})
    versions = sorted({json.dumps(result.machine.libraries, sort_keys=True) for result in results})
    yield f"- machine: {'; '.join(machines)}; {min(result.cell.threads for result in results)} thread a cell"
    yield f"- libraries: {'; '.join(', '.join(f'{k} {v}' for k, v in json.loads(some).items()) for some in versions)}"
    yield f"- code of the build: {', '.join(sorted({result.code[:12] for result in results}))} (SHA-256)"
    seeds = sorted({result.cell.seed for result in results})
    yield f"- seeds: {len(seeds)} ({', '.join(map(str, seeds))}), where a command below does not name fewer"
    for language, digest in sorted({(result.cell.language, result.cell.data_digest) for result in results}):
        yield f"- data: {results[0].cell.data}, {language}: {digest[:12]} (SHA-256)"
    for cell in {(row.cell.base, row.cell.base_digest): row.cell for group in groups for row in group.rows}.values():
        yield f"- base `{cell.base}` ({cell.base_digest[:12]}): {described_base(cell, folder)}"
    yield ""


def described_base(cell: Cell, folder: Path) -> str:
    """How a base was pretrained, from the record that ``pretrain`` leaves."""
    path = record_path(folder / BASES, cell.base, cell.base_digest)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        settings, corpus = record["settings"], record["corpus"]
        text = ", ".join(f"{language} {some['pieces']:,}" for language, some in corpus.items())
        return (
            f"{settings['layers']} layers, {settings['width']} wide, {settings['heads']} heads,"
            f" feed-forward {settings['feed_forward']}, {settings['vocabulary']:,} pieces;"
            f" {settings['steps']:,} steps in {record['seconds']:,.0f} s; corpus in pieces: {text};"
            f" `{pretrain_command(cell.base, settings)}`"
        )
    except FileNotFoundError:
        return f"nothing is known of its pretraining ({BASES}/{path.name} is missing)"
    except (ValueError, KeyError, TypeError) as error:
        raise BuildError(f"{path}: {error}: copy the base's pretraining.json there again") from error


def pretrain_command(base: str, settings: dict[str, Any]) -> str:
    options = {
        "corpus": "corpus",
        "out": base,
        "languages": ",".join(settings["languages"]) if settings["languages"] else None,
        "lines": settings["limit"],
        "shape": settings["shape"],
        "vocabulary": settings["vocabulary"],
        "tokenizer-lines": settings["tokenizer_lines"],
        "exponent": settings["exponent"],
        "steps": settings["steps"],
        "batch-pieces": settings["batch_pieces"],
        "length": settings["length"],
        "masked-share": settings["masked_share"],
        "learning-rate": settings["learning_rate"],
        "matrix-learning-rate": settings["matrix_learning_rate"] or 0,
        "dropout": settings["dropout"],
        "seed": settings["seed"],
        "threads": settings["threads"],
    }
    given = " ".join(f"--{name} {value}" for name, value in options.items() if value is not None)
    return f"python -m build_models pretrain {given} --{'' if settings['neighbours'] else 'no-'}neighbours"


def scale(group: Group) -> Iterator[str]:
    row = group.rows[0]
    yield (
        f"**Scale.** The models have {row.parameters / 1e6:.1f} M parameters; the paper's have 111 M and 126 M and were"
        f" pretrained on far more text. A verdict says what holds for these models on these languages, and is a hint,"
        " not a finding, about AfriBERTa."
        if row.parameters < PAPER_PARAMETERS / 2
        else f"**Scale.** The models have {row.parameters / 1e6:.1f} M parameters, about as the paper's."
    )
    yield ""


ONCE = ("prune_embeddings", "recovery_epochs", "agnostic_steps", "corpus", "corpus_lines")
"""Settings that a grid has one value of."""


def commands(name: str, rows: Sequence[Row]) -> Iterator[str]:
    """What makes these rows, with the folders by their names: a command for each combination of the settings ``ONCE``.

    What several commands would make is made by the first of them and kept by the others.
    """
    dense = [row for row in rows if row.cell.variant == "dense"]
    parts: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row not in dense:
            parts[row.cell.model_dump_json(include=set(ONCE))].append(row)
    for part in parts.values() or [[]]:
        yield command(name, [*dense, *part])


def command(name: str, rows: Sequence[Row]) -> str:
    """What makes rows that are alike in the settings ``ONCE``, but for dense ones before them."""
    cell = rows[-1].cell
    finetune = cell.finetune
    values: dict[str, Sequence[object]] = {
        "base": [cell.base],
        "data": [cell.data] if cell.data != SAMPLE else [],
        "sample-sentences": [cell.sample_sentences] if cell.data == SAMPLE else [],
        "languages": sorted({language for row in rows for language in row.languages}),
        "seeds": sorted({seed for row in rows for seed in row.seeds}),
        "epochs": [finetune.epochs],
        "learning-rate": [f"{finetune.learning_rate:g}"],
        "matrix-learning-rate": [f"{finetune.matrix_learning_rate or 0:g}"],
        "batch-pieces": [finetune.batch_pieces],
        "threads": [cell.threads],
        "crosslingual": ["crosslingual"] if name == "crosslingual" else [],
        # Robustness has one sparsity, which is no option.
        "sparsities": sorted({row.cell.sparsity for row in rows if row.cell.sparsity and name != "robustness"}),
        "recovery-epochs": [cell.recovery_epochs] if cell.recovery_epochs else [],
        "temperatures": sorted({f"{row.cell.temperature:g}" for row in rows if row.cell.temperature}),
        "student-layers": sorted({row.cell.student_layers for row in rows if row.cell.student_layers}),
        "student-heads": sorted({row.cell.student_heads for row in rows if row.cell.student_heads}),
        "agnostic-steps": [cell.agnostic_steps] if cell.agnostic_steps else [],
        "corpus": [cell.corpus] if cell.corpus else [],
        "corpus-lines": [cell.corpus_lines] if cell.corpus_lines else [],
    }
    given = [f"--{key} {','.join(map(str, some))}" for key, some in values.items() if some]
    flags = ["--prune-embeddings"] if cell.prune_embeddings else []
    return " ".join(["python -m build_models experiments", name, *given, *flags])


def pretraining(groups: Sequence[Group]) -> Iterator[str]:
    """Each base, dense: what pretraining is worth."""
    rows = [row for group in groups if (row := group.dense())]
    if len(rows) < 2:
        return
    yield "## What the base is worth"
    yield ""
    yield (
        "A base of 0 steps has seen no text: with `--no-neighbours` it is XLM-R's random start but for embeddings made"
        " of the spelling, with `--neighbours` some of its heads also start out looking at the pieces next to them."
    )
    yield ""
    for row in rows:
        yield f"- `{row.cell.base}`: `{command('pretraining', [row])}`"
    yield ""
    best = max(rows, key=lambda row: row.f1().mean)
    yield from table(rows, best, lambda row: f"{row.cell.base}, {rate(row.cell)}", f"difference to {best.cell.base}")


def rate(cell: Cell) -> str:
    rates = f"rate {cell.finetune.learning_rate:g}"
    if cell.finetune.matrix_learning_rate:
        rates += f", Muon {cell.finetune.matrix_learning_rate:g}"
    return f"{cell.finetune.epochs} epochs, {rates}"


def sections(group: Group, folder: Path, suffix: str) -> Iterator[str]:
    """Tables and plots of one base."""
    reference = group.dense()
    parts = (
        ("pruning", "Pruning", ["pruned"], plot_pruning),
        ("distillation", "Distillation", ["distilled"], None),
        ("quantization", "Quantization", ["int8", "dynamic"], None),
    )
    for name, title, variants, plot in parts:
        rows = group.variants("dense", *variants)
        if len(rows) > 1:
            yield f"## {title} (base `{group.base}`)"
            yield ""
            for made_by in commands(name, rows):
                yield f"`{made_by}`"
                yield ""
            yield from table(rows, reference)
            if plot and plot(group, folder / f"{name}{suffix}.svg"):
                yield f"![{title}]({name}{suffix}.svg)"
                yield ""
    yield from other_tests(group, "crosslingual", "Languages never fine-tuned on", folder, suffix)
    yield from other_tests(group, "robustness", "Noise in the test sentences", folder, suffix)
    if plot_sizes(group, folder / f"size{suffix}.svg"):
        yield f"## Size against F1 (base `{group.base}`)"
        yield ""
        yield "On the front, where no other is both smaller and better: " + "; ".join(
            f"{row.cell.technique} ({row.megabytes:.1f} MB, F1 {row.f1().mean:.1f})"
            for row in pareto_front(group.tested("own"))
        )
        yield ""
        yield f"![Size against F1](size{suffix}.svg)"
        yield ""


def table(
    rows: Sequence[Row],
    reference: Row | None,
    name_of: Callable[[Row], str] = lambda row: row.cell.technique,
    against: str = "difference",
) -> Iterator[str]:
    """One row for each technique."""
    languages = sorted({language for row in rows for language in row.languages})
    columns = ["F1", f"{against} [95%]", "unseen", *languages, "MB", "parameters", "non-zero", "ms a text", "cells"]
    yield f"| | {' | '.join(columns)} |"
    yield "|---|" + "--:|" * len(columns)
    for row in rows:
        difference = "" if row is reference or reference is None else text(row.difference(reference))
        values = [
            with_deviation(row),
            difference,
            f"{row.f1('test, unseen').mean:.1f}",
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
    mean = f"{row.f1(name).mean:.1f}"
    return mean if math.isnan(deviation) else f"{mean} ± {deviation:.1f}"


def other_tests(group: Group, tests: Tests, title: str, folder: Path, suffix: str) -> Iterator[str]:
    """A table with a column for each of the other test sets."""
    rows = group.tested(tests)
    if not rows:
        return
    names = [name for name in rows[0].results[0].scores if name != "dev"]
    yield f"## {title} (base `{group.base}`)"
    yield ""
    for made_by in commands(tests, rows):
        yield f"`{made_by}`"
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
