"""Runs the recipes in order and shows what came of them."""

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
from service.evaluation.reading import Rules
from service.runtimes import NARROW
from service.variants import KNOWN_VARIANTS

TAUGHT = frozenset({"distilled", "distilled-dynamic"})
"""The variants that are a student's."""


def build(settings: BuildSettings, names: Sequence[str]) -> list[Manifest]:
    """Make the named variants in the order of ``KNOWN_VARIANTS`` and return their manifests."""
    refuse_unknown(names, KNOWN_VARIANTS)
    # The two special pieces of a window are no place for an overlap, and every window must advance.
    if settings.overlap > settings.max_length - 3:
        raise BuildError(
            f"An overlap of {settings.overlap} pieces does not fit windows of {settings.max_length}:"
            f" {settings.max_length - 3} is the most."
        )
    quieten_libraries()
    started = time.monotonic()
    torch.set_num_threads(settings.threads)
    dataset = load_data(
        settings.data,
        settings.languages,
        settings.data_revision,
        settings.seed,
        settings.sample_sentences,
        Rules(settings.scheme, settings.strict),
    )
    say(
        f"data: {dataset.name}: {len(dataset.train):,} sentences to train on,"
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
            if TAUGHT.intersection(wanted):
                side_by_side(
                    lambda: make((name for name in wanted if name not in TAUGHT), 1),
                    lambda: distilled.trained_student(context),
                    settings.threads,
                    "distilled",
                )
        make((name for name in wanted if name not in made), settings.threads)
        context.keep_test_split()
    say(f"built in {time.monotonic() - started:.0f} s: {settings.out}")
    return [made[name] for name in wanted]


def at_once(settings: BuildSettings, names: Sequence[str]) -> bool:
    """Whether ``dense`` and ``pruned`` are trained at the same time, and then the student while the others are made.

    Both start from the base, and one this narrow leaves a second thread little to do.
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
    """A build with its base made or taken."""
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
    # The runtime that scored the last one may have set its own number.
    torch.set_num_threads(threads)
    manifest: Manifest = importlib.import_module(KNOWN_VARIANTS[name].recipe).build(context)
    return manifest


def quieten_libraries() -> None:
    """A new head and unused kernels are what is meant; their warnings would hide the build's own lines."""
    transformers.logging.set_verbosity_error()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def prepare_base(settings: BuildSettings, dataset: Dataset, workspace: Workspace) -> tuple[Path, str]:
    """The folder of the base checkpoint and the name that manifests give it."""
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
    """The table at the end of a build."""
    table = Table(title="Strict IOB2 F1; seconds per text: median, one at a time, on this machine")
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
