"""How the rows of the results page were made: machines, data, bases, and the commands that reproduce them."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from build_models.errors import BuildError
from build_models.experiments.cells import SAMPLE
from build_models.experiments.report.figures import Row
from build_models.experiments.report.groups import Group
from build_models.experiments.results import BASES, CellResult, read_pretraining, record_path

ONCE = ("prune_embeddings", "recovery_epochs", "agnostic_steps", "corpus", "corpus_lines")
"""Settings that have a single value in a grid."""


def commands(name: str, rows: Sequence[Row]) -> Iterator[str]:
    """The commands that reproduce rows: one per combination of seeds and of the settings in ``ONCE``.

    Each experiment has dense rows of the same seeds, so they need no command of their own.
    """
    parts: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.cell.variant != "dense" or row.cell.tests != "own":
            parts[f"{row.seeds} {row.cell.model_dump_json(include=set(ONCE))}"].append(row)
    for part in parts.values() or [rows]:
        yield command(name, part)


def command(name: str, rows: Sequence[Row]) -> str:
    """The command that reproduces rows with equal settings in ``ONCE``."""
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
        # The sparsity of the robustness experiment is fixed.
        "sparsities": sorted({row.cell.sparsity for row in rows if row.cell.sparsity and name != "robustness"}),
        "recovery-epochs": [cell.recovery_epochs] if cell.recovery_epochs else [],
        "temperatures": [f"{some:g}" for some in sorted({row.cell.temperature or 0.0 for row in rows}) if some],
        "student-layers": sorted({row.cell.student_layers for row in rows if row.cell.student_layers}),
        "student-heads": sorted({row.cell.student_heads for row in rows if row.cell.student_heads}),
        "student-epochs": [cell.student_epochs] if cell.student_epochs else [],
        "unseen-sentences": [cell.unseen_sentences] if cell.unseen_sentences and name == "crosslingual" else [],
        "agnostic-steps": [cell.agnostic_steps] if cell.agnostic_steps else [],
        "corpus": [cell.corpus] if cell.corpus else [],
        "corpus-lines": [cell.corpus_lines] if cell.corpus_lines else [],
    }
    given = [f"--{key} {','.join(map(str, some))}" for key, some in values.items() if some]
    flags = {
        "--prune-embeddings": cell.prune_embeddings,
        "--regularize": cell.regularized,
        "--coarse-products": finetune.coarse_products,
    }
    return " ".join(["python -m build_models experiments", name, *given, *(flag for flag in flags if flags[flag])])


def provenance(groups: Sequence[Group], folder: Path) -> Iterator[str]:
    """Machines, libraries, code, seeds, data and bases of the results."""
    yield "## Setup"
    yield ""
    results = [result for group in groups for row in group.rows for result in row.results]
    machines = sorted({f"{result.machine.cpu}, {result.machine.cores} cores" for result in results})
    versions = sorted({json.dumps(result.machine.libraries, sort_keys=True) for result in results})
    yield f"- machine: {'; '.join(machines)}; {min(result.cell.threads for result in results)} thread per cell"
    yield f"- libraries: {'; '.join(', '.join(f'{k} {v}' for k, v in json.loads(some).items()) for some in versions)}"
    yield f"- code of the build: {', '.join(sorted({result.code[:12] for result in results}))} (SHA-256)"
    seeds = sorted({result.cell.seed for result in results})
    yield f"- seeds: {len(seeds)} ({', '.join(map(str, seeds))}), unless a command below lists fewer"
    for language, digest in sorted({(result.cell.language, result.cell.data_digest) for result in results}):
        yield f"- data: {results[0].cell.data}, {language}: {digest[:12]} (SHA-256)"
    for base, digest in dict.fromkeys((result.cell.base, result.cell.base_digest) for result in results):
        yield f"- base `{base}` ({digest[:12]}): {described_base(base, digest, folder)}"
    for main in (group for group in groups if group.of_paper):
        taught = [group for group in groups if group is not main and not group.differences(main)]
        for digest, make in makes(main).items():
            if make.of_paper:
                yield f"- grid of base `{main.base}` ({digest[:12]}): `{paper_command(make, taught)}`"
            else:
                for name, rows in of_experiments(make).items():
                    for some in commands(name, rows):
                        yield f"- more of base `{main.base}` ({digest[:12]}): `{some}`"
        if tried := [row for row in main.int8_settings() if not row.cell.as_shipped]:
            yield f"- settings of LLM.int8(): `{command('int8', tried)}`"
    yield ""


def makes(group: Group) -> dict[str, Group]:
    """The results of each make of the base, by its digest."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in group.rows:
        results: dict[str, list[CellResult]] = defaultdict(list)
        for result in row.results:
            results[result.cell.base_digest].append(result)
        for digest, some in results.items():
            rows[digest].append(Row(some))
    return {digest: Group(some, ()) for digest, some in rows.items()}


def of_experiments(group: Group) -> dict[str, list[Row]]:
    """The rows by the experiment that has them, where there are any."""
    found = {
        "pruning": group.variants("pruned"),
        "distillation": group.variants("distilled"),
        "quantization": group.variants("int8", "dynamic"),
        "crosslingual": group.tested("crosslingual"),
        "robustness": group.tested("robustness"),
    }
    return {name: rows for name, rows in found.items() if rows}


def paper_command(main: Group, taught: Sequence[Group]) -> str:
    """The command of the grid of all claims, whose other bases only teach."""
    rows = [row for row in main.rows if row.cell.usual]
    students = [row for row in rows if row.cell.variant == "distilled"]
    # The settings of the last row are in the command: those of a student, taught without a task if one was.
    made = command("paper", [*rows, *sorted(students, key=lambda row: row.cell.agnostic_steps)[-1:]])
    bases = "".join(f" --base {group.base}" for group in taught)
    more = {seed for row in rows if row.cell.variant == "distilled-dynamic" for seed in row.seeds}
    options: dict[str, object] = {"more-seeds": ",".join(map(str, sorted(more)))}
    if unseen := [row.cell for row in rows if row.cell.tests == "crosslingual"]:
        options |= {"crosslingual": "crosslingual", "unseen-sentences": unseen[0].unseen_sentences}
    if noisy := main.trained_with_noise():
        options["noise-share"] = noisy[0].cell.finetune.noise_share
    if pockets := [row.cell for row in rows if row.cell.variant == "pocket"]:
        options["pocket-epochs"] = f"{pockets[0].pocket_hidden_epochs},{pockets[0].pocket_epochs}"
    given = "".join(f" --{name} {value}" for name, value in options.items() if value is not None)
    together = " --together" if main.of_all_languages() else ""
    return made.replace(f"--base {main.base}", f"--base {main.base}{bases}", 1) + given + together


def described_base(base: str, digest: str, folder: Path) -> str:
    """How a base was pretrained, from the record that ``pretrain`` writes.

    Raises ``BuildError`` if the record is damaged.
    """
    path = record_path(folder / BASES, base, digest)
    made = read_pretraining(folder / BASES, base, digest)
    if made is None:
        return f"pretraining unknown ({BASES}/{path.name} is missing)"
    settings = made.settings
    try:
        text = ", ".join(f"{language} {some['pieces']:,}" for language, some in made.corpus.items())
        return (
            f"{settings['layers']} layers, width {settings['width']}, {settings['heads']} heads,"
            f" feed-forward {settings['feed_forward']}, {settings['vocabulary']:,} pieces;"
            f" {settings['steps']:,} steps in {made.seconds:,.0f} s; corpus in pieces: {text};"
            f" `{pretrain_command(base, settings)}`"
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BuildError(f"{path} is damaged ({error}): copy the base's pretraining.json there again") from error


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
