"""How the results were made: machines, data, bases, and the commands that were run."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from build_models.experiments.report.groups import Group
from build_models.experiments.results import (
    BASES,
    COMMANDS,
    damaged_record,
    read_commands,
    read_pretraining,
    record_path,
)


def provenance(groups: Sequence[Group], folder: Path) -> Iterator[str]:
    """Machines, libraries, code, seeds, data and bases of the results."""
    yield "## Setup"
    yield ""
    results = [result for group in groups for row in group.rows for result in row.results]
    machines = sorted(
        {
            f"{result.machine.cpu}, {result.machine.cores} cores"
            + (f", trained on {result.machine.accelerator}" if result.machine.accelerator else "")
            for result in results
        }
    )
    versions = sorted({json.dumps(result.machine.libraries, sort_keys=True) for result in results})
    threads = ", ".join(map(str, sorted({result.cell.threads for result in results})))
    yield f"- machine: {'; '.join(machines)}; {threads} {'thread' if threads == '1' else 'threads'} per cell"
    yield f"- libraries: {'; '.join(', '.join(f'{k} {v}' for k, v in json.loads(some).items()) for some in versions)}"
    yield f"- code of the build: {', '.join(sorted({result.code[:12] for result in results}))} (SHA-256)"
    seeds = sorted({result.cell.seed for result in results})
    yield f"- seeds: {len(seeds)} ({', '.join(map(str, seeds))}), unless a command below lists fewer"
    cells = [result.cell for result in results]
    for name, language, digest in sorted({(cell.data, cell.language, cell.data_digest) for cell in cells}):
        yield f"- data: {name}, {language}: {digest[:12]} (SHA-256)"
    for base, digest in dict.fromkeys((result.cell.base, result.cell.base_digest) for result in results):
        yield f"- base `{base}` ({digest[:12]}): {described_base(base, digest, folder)}"
    yield ""
    yield "Bases with the same name and recipe are treated as one base, built several times."
    yield ""
    if commands := read_commands(folder / COMMANDS):
        yield "These commands reproduce the results; paths are shortened to the names of files and folders:"
        yield ""
        for some in commands:
            bases = ", ".join(f"`{name}` ({digest[:12]})" for name, digest in some.bases.items())
            yield f"- {bases}: `{some.command}`"
        yield ""


def described_base(base: str, digest: str, folder: Path) -> str:
    """How a base was pretrained, from the record that ``pretrain`` writes.

    Raises ``ResultError`` if the record is damaged.
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
        raise damaged_record(path, error) from error


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
