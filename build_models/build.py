"""Prepares data and base, runs the recipes in order, and shows the results."""

import importlib
import logging
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
import transformers
from rich.table import Table

from build_models.artifacts.kept import put_test_split
from build_models.bases.source import Source, open_base, open_given
from build_models.bundled.export import DIGESTS, check_model
from build_models.data.datasets import Dataset
from build_models.data.loading import load_data
from build_models.errors import BuildError, refuse_unknown
from build_models.progress import print_table, say
from build_models.recipes import dense, distilled, pruned
from build_models.recipes.agnostic import refuse_other_architectures
from build_models.recipes.context import Context
from build_models.recipes.supervision import Supervision, supervise
from build_models.settings import BUNDLED, SAMPLE, BuildSettings
from build_models.training.devices import training_device
from build_models.training.side_by_side import side_by_side
from build_models.workspace.replaced import read_record
from build_models.workspace.workspace import Workspace
from service.artifacts.building import UNFINISHED, WORKSPACE
from service.artifacts.manifest import ArtifactError, Manifest, file_sha256, read_manifest
from service.evaluation.reading import Rules
from service.runtimes import NARROW
from service.variants import DEFAULT_VARIANT, KNOWN_VARIANTS

BUNDLED_MODEL = Path(__file__).parent / "bundled" / "model"

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
    workspace = Workspace(settings.out / WORKSPACE)
    dataset = None if settings.model is not None and settings.data is None else load(settings)
    with workspace.locked():
        # A damaged one is refused now, not when the first variant is ready.
        read_record(settings.out)
        if settings.model != BUNDLED:
            # These artefacts are the user's: scripts/serve is not to resume its own build over them.
            (settings.out / UNFINISHED).unlink(missing_ok=True)
        context = open_context(settings, dataset, workspace)
        settings = context.settings
        tell_of_others(context, names)
        made: dict[str, Manifest] = {}

        def make(some: Iterable[str], threads: int) -> None:
            made.update({name: build_variant(name, context, threads) for name in some})

        wanted = [name for name in KNOWN_VARIANTS if name in names]
        if at_once(context, names):
            if settings.model is not None:
                # It needs no training, and a server that waits for it can start.
                make((name for name in wanted if name == DEFAULT_VARIANT), 1)
            else:
                side_by_side(
                    lambda: dense.checkpoint(context), lambda: pruned.checkpoint(context), settings.threads, "pruned"
                )
            if STUDENTS.intersection(wanted):
                others = [name for name in wanted if name not in STUDENTS and name not in made]
                side_by_side(
                    # What is quickly made comes first: a server may wait for it.
                    lambda: make(sorted(others, key=lambda name: (name == "pruned", name != "dynamic")), 1),
                    lambda: distilled.trained_student(context),
                    settings.threads,
                    "distilled",
                )
        make((name for name in wanted if name not in made), settings.threads)
        put_test_split(settings.out, context.supervision.tested, context.replacements)
        context.replacements.finish()
    say(f"built in {time.monotonic() - started:.0f} s: {settings.out}")
    return [made[name] for name in wanted]


def at_once(context: Context, names: Sequence[str]) -> bool:
    """Whether to train two models at the same time, of one thread each: a narrow model gains little from a second.

    The student is trained while the others are built. From scratch, ``dense`` and ``pruned`` are trained together
    before that: both start from the base.
    """
    settings = context.settings
    from_base = settings.model is None
    return (
        settings.base in (None, BUNDLED)
        and context.source.width <= (NARROW if from_base else 2 * NARROW)
        and settings.threads > 1
        and training_device().type == "cpu"
        and (not from_base or ({"dense", "pruned"} <= set(names) and not settings.prune_after))
    )


def load(settings: BuildSettings) -> Dataset:
    data = None if settings.data == SAMPLE else settings.data
    dataset = load_data(
        data,
        settings.languages,
        settings.data_revision,
        settings.seed,
        settings.sample_sentences,
        Rules(settings.scheme, settings.strict),
    )
    say(
        f"data: {dataset.name}: {len(dataset.train):,} training sentences,"
        f" {len(dataset.dev):,} dev, {len(dataset.test):,} test"
    )
    return dataset


def open_context(settings: BuildSettings, dataset: Dataset | None, workspace: Workspace) -> Context:
    """Prepare what the build starts from and return its context. Only a given model goes without a dataset."""
    source = open_source(settings, dataset, workspace)
    if settings.model is None:
        assert dataset is not None
        if settings.distillation.agnostic_steps:
            refuse_other_architectures(source)
        return Context(settings, Supervision(dataset), workspace, source)
    supervision = supervise(settings, source, dataset, workspace)
    return Context(settings.for_given(source.width, supervision.measured), supervision, workspace, source)


def open_source(settings: BuildSettings, dataset: Dataset | None, workspace: Workspace) -> Source:
    """Import the base or the classifier. Raises ``BuildError`` if the bundled model is wanted and damaged."""
    if BUNDLED in (settings.base, settings.model):
        check_model(BUNDLED_MODEL)
        folder = str(BUNDLED_MODEL)
        given = replace(settings, model=folder) if settings.model else replace(settings, base=folder)
        source = open_source(given, dataset, workspace)
        return replace(source, name="Kidogo's bundled model", revision=file_sha256(BUNDLED_MODEL / DIGESTS))
    if settings.model is not None:
        return open_given(settings, workspace)
    assert dataset is not None
    return open_base(settings, dataset, workspace)


def tell_of_others(context: Context, names: Sequence[str]) -> None:
    """Name the variants of another model, or other data, that this build leaves beside its own."""
    others = []
    for name in KNOWN_VARIANTS:
        try:
            there = None if name in names else read_manifest(context.settings.out / name)
        except ArtifactError:
            continue
        if there and not of_this_build(there, context):
            others.append(f"{name} ({there.base_model}, {there.data.name if there.data else 'no data'})")
    if others:
        say(
            f"{context.settings.out} also holds {', '.join(others)}: not of the model and the data of this build."
            " To rebuild one variant of an earlier build, repeat its --base or --model and its --data or --texts."
        )


def of_this_build(there: Manifest, context: Context) -> bool:
    """Whether an artefact starts from the same model as this build and uses the same data, as far as it says."""
    source, given = context.source, context.source.head is not None
    if (there.base_model, there.base_revision, there.data) != (
        source.name,
        source.revision,
        context.supervision.record,
    ):
        return False
    if there.variant == DEFAULT_VARIANT:
        return there.parent_digest == source.digest and ("finetune" in there.recipe.parameters) != given
    # A given model is dense itself; a base is fine-tuned before it is.
    return there.parent != DEFAULT_VARIANT or (there.parent_digest == source.digest) == given


def build_variant(name: str, context: Context, threads: int) -> Manifest:
    # The runtime that scored the last variant may have changed it.
    torch.set_num_threads(threads)
    manifest: Manifest = importlib.import_module(KNOWN_VARIANTS[name].recipe).build(context)
    return manifest


def quieten_libraries() -> None:
    """Silence expected warnings, such as those about a new classification head."""
    transformers.logging.set_verbosity_error()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def show(manifests: Sequence[Manifest]) -> None:
    """Print the results of a build as a table."""
    first = manifests[0]
    figure = "F1" if first.metrics else "agreement"
    if first.metrics:
        title = "Strict IOB2 F1"
    elif first.agreement:
        title = f"Agreement: strict entity F1 against the answers of dense, on {first.data.name if first.data else ''}"
    else:
        title = "Accuracy was not measured: pass --data (labelled, for F1) or --texts (for agreement with dense)"
    table = Table(title=f"{title}; median time per text, one at a time, on this machine")
    for column in (
        "variant", "MB", "parameters", "non-zero", "sparsity", f"dev {figure}", f"test {figure}", "ms per text",
    ):  # fmt: skip
        table.add_column(column, justify="left" if column == "variant" else "right")
    for manifest in manifests:
        scores = manifest.metrics or manifest.agreement
        table.add_row(
            manifest.variant,
            f"{manifest.artifact_bytes / 1e6:.1f}",
            f"{manifest.parameters:,}",
            f"{manifest.nonzero_parameters:,}",
            f"{manifest.sparsity:.1%}",
            *(f"{scores[split].f1:.4f}" if split in scores else "not measured" for split in ("dev", "test")),
            f"{1000 * manifest.seconds_per_text:.2f}",
        )
    print_table(table)
