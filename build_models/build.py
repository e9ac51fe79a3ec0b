"""Prepares data and base, runs the recipes in order, and shows the results."""

import importlib
import logging
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
import transformers
from rich.table import Table

from build_models.bases.base import describe, import_base, imported_revision, make_base
from build_models.bases.shapes import SHAPES
from build_models.data.datasets import Dataset
from build_models.data.loading import load_data
from build_models.errors import BuildError, refuse_unknown
from build_models.progress import print_table, say
from build_models.recipes import dense, distilled, pruned
from build_models.recipes.context import Context
from build_models.settings import BuildSettings
from build_models.training.loop import training_device
from build_models.training.side_by_side import side_by_side
from build_models.workspace.replaced import replacements_recorded
from build_models.workspace.workspace import WORKSPACE, Workspace, result_digest
from service.artifacts.manifest import Manifest, file_sha256
from service.runtimes import NARROW
from service.variants import KNOWN_VARIANTS

STUDENTS = frozenset({"distilled", "distilled-dynamic"})
"""The variants made from the distilled student."""


def build(settings: BuildSettings, names: Sequence[str]) -> list[Manifest]:
    """Build the named variants and return their manifests in the order of ``KNOWN_VARIANTS``.

    Raises ``BuildError`` for unknown variants, invalid data, an unusable base, or another build in the same folder.
    """
    refuse_unknown(names, KNOWN_VARIANTS)
    # A window has two special pieces, and each window must advance by one piece at least.
    if settings.overlap > settings.max_length - 3:
        raise BuildError(
            f"--overlap {settings.overlap} is too large for --max-length {settings.max_length}:"
            f" pass at most {settings.max_length - 3}."
        )
    quieten_libraries()
    started = time.monotonic()
    torch.set_num_threads(settings.threads)
    dataset = load_data(
        settings.data, settings.languages, settings.data_revision, settings.seed, settings.sample_sentences
    )
    say(
        f"data: {dataset.name}: {len(dataset.train):,} training sentences,"
        f" {len(dataset.dev):,} dev, {len(dataset.test):,} test"
    )
    workspace = Workspace(settings.out / WORKSPACE)
    with workspace.locked(), replacements_recorded(settings.out):
        context = open_context(settings, dataset, workspace)
        made: dict[str, Manifest] = {}

        def make(some: Iterable[str], threads: int) -> None:
            made.update({name: build_variant(name, context, threads) for name in some})

        wanted = [name for name in KNOWN_VARIANTS if name in names]
        if at_once(settings, names):
            side_by_side(
                lambda: dense.checkpoint(context), lambda: pruned.checkpoint(context), settings.threads, "pruned"
            )
            if STUDENTS.intersection(wanted):
                side_by_side(
                    lambda: make((name for name in wanted if name not in STUDENTS), 1),
                    lambda: distilled.trained_student(context),
                    settings.threads,
                    "distilled",
                )
        make((name for name in wanted if name not in made), settings.threads)
        context.keep_test_split()
    say(f"built in {time.monotonic() - started:.0f} s: {settings.out}")
    return [made[name] for name in wanted]


def at_once(settings: BuildSettings, names: Sequence[str]) -> bool:
    """Whether to train ``dense`` and ``pruned`` at the same time, and then the student while the others are built.

    Both start from the base. A narrow model gains little from a second thread.
    """
    return (
        {"dense", "pruned"} <= set(names)
        and not settings.prune_after
        and settings.base is None
        and SHAPES[settings.from_scratch.shape].width <= NARROW
        and settings.threads > 1
        and training_device().type == "cpu"
    )


def open_context(settings: BuildSettings, dataset: Dataset, workspace: Workspace) -> Context:
    """Prepare the base and return the build's context."""
    base, base_name = prepare_base(settings, dataset, workspace)
    return Context(
        settings,
        dataset,
        workspace,
        base,
        base_name,
        base_revision=settings.base_revision or imported_revision(base),
        base_digest=result_digest(base),
    )


def build_variant(name: str, context: Context, threads: int) -> Manifest:
    # The runtime that scored the last variant may have changed it.
    torch.set_num_threads(threads)
    manifest: Manifest = importlib.import_module(KNOWN_VARIANTS[name].recipe).build(context)
    return manifest


def quieten_libraries() -> None:
    """Silence expected warnings, such as those about a new classification head."""
    transformers.logging.set_verbosity_error()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def prepare_base(settings: BuildSettings, dataset: Dataset, workspace: Workspace) -> tuple[Path, str]:
    """The folder of the base checkpoint and its name in manifests."""
    if settings.base is not None:
        name = settings.base
        given: dict[str, object] = {
            "stage": "base",
            "base": name,
            "revision": settings.base_revision,
            "max_length": settings.max_length,
        }
        if Path(name).is_dir():
            given["files"] = {path.name: file_sha256(path) for path in sorted(Path(name).iterdir()) if path.is_file()}
            name = Path(name).resolve().name
        folder = workspace.stage(
            "base",
            given,
            lambda result, _: import_base(str(settings.base), settings.base_revision, settings.max_length, result),
        )
        return folder, name
    texts = [" ".join(sentence.words) for sentence in dataset.train]
    made = {
        "stage": "base",
        "data": dataset.digest,
        "seed": settings.seed,
        "max_length": settings.max_length,
        **describe(settings.from_scratch),
    }
    folder = workspace.stage(
        "base",
        made,
        lambda result, state: make_base(
            texts, settings.from_scratch, settings.max_length, settings.seed, result, state
        ),
    )
    return folder, f"from scratch on {dataset.name} ({settings.from_scratch.shape})"


def show(manifests: Sequence[Manifest]) -> None:
    """Print the results of a build as a table."""
    table = Table(title="Strict IOB2 F1; median time per text, one at a time, on this machine")
    for column in ("variant", "MB", "parameters", "non-zero", "sparsity", "dev F1", "test F1", "ms per text"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    for manifest in manifests:
        table.add_row(
            manifest.variant,
            f"{manifest.artifact_bytes / 1e6:.1f}",
            f"{manifest.parameters:,}",
            f"{manifest.nonzero_parameters:,}",
            f"{manifest.sparsity:.1%}",
            f"{manifest.metrics['dev'].f1:.4f}",
            f"{manifest.metrics['test'].f1:.4f}",
            f"{1000 * manifest.seconds_per_text:.2f}",
        )
    print_table(table)
