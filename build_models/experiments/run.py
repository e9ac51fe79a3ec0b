"""Runs one cell: builds its variant in a shared workspace and scores it with the service's pipeline."""

import os
import platform
import random
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from build_models.artifacts.scores import evaluate, open_artifact
from build_models.build import build_variant, open_context, quieten_libraries
from build_models.data.datasets import Dataset
from build_models.data.folders import read_sentences
from build_models.errors import BuildError
from build_models.experiments.calibration import calibration
from build_models.experiments.cells import UNSEEN, Cell
from build_models.experiments.noise import NOISES
from build_models.experiments.outliers import inflated
from build_models.experiments.prepare import data_of, name_corpus
from build_models.experiments.results import CellResult, Machine, ResultError, read_result, result_path, write_result
from build_models.progress import say, silence
from build_models.recipes import int8
from build_models.recipes.context import Context
from build_models.settings import BuildSettings, DistillationSettings, PocketSettings
from build_models.training.devices import training_device
from build_models.workspace.shared import SharedWorkspace
from build_models.workspace.workspace import code_digest, lock, result_digest
from service.artifacts.manifest import Manifest, Scores
from service.evaluation.conll import Sentence
from service.ner.pipeline import Pipeline

OTHER_CODE = "computed by another version of the code"
ANOTHER_FAMILY = ("eng", "por", "hrv")
"""Scored as well where their files are there."""


@dataclass(frozen=True)
class Places:
    """Paths on this machine. ``bases`` maps names to paths; ``data`` is a folder or a hub id."""

    bases: Mapping[str, str]
    data: str | None
    results: Path
    work: Path
    crosslingual: Path | None = None
    corpus: Path | None = None
    corpus_lines: int | None = None
    sample_sentences: int = 6000


@dataclass(frozen=True)
class Outcome:
    """What happened to a cell. ``busy`` means that another process is running it."""

    cell: Cell
    state: Literal["made", "kept", "busy", "failed"]
    seconds: float = 0.0
    message: str = ""


def run_cell(cell: Cell, places: Places) -> Outcome:
    """Compute the cell's result unless it exists. Errors end up in the outcome and in a file next to the results."""
    places.results.mkdir(parents=True, exist_ok=True)
    path = result_path(places.results, cell)
    failure = path.with_suffix(".failed")
    started = time.monotonic()
    try:
        with lock(places.work / "cells" / f"{cell.digest}.lock"):
            if path.exists():
                try:
                    other = read_result(path).code != code_digest()[:20]
                    return Outcome(cell, "kept", message=OTHER_CODE if other else "")
                except ResultError as error:
                    say(f"{error}: running the cell again")
            with silence():
                write_result(places.results, measure(cell, places))
            failure.unlink(missing_ok=True)
            return Outcome(cell, "made", time.monotonic() - started)
    except BlockingIOError:
        return Outcome(cell, "busy")
    except Exception as error:  # a failed cell must not stop the grid
        failure.write_text(f"{cell.model_dump_json(indent=1)}\n{traceback.format_exc()}", encoding="utf-8")
        first = next(iter(str(error).splitlines()), "")
        message = first if isinstance(error, BuildError) else f"{type(error).__name__}: {first}"
        return Outcome(cell, "failed", time.monotonic() - started, f"{message} (details in {failure})")


def measure(cell: Cell, places: Places) -> CellResult:
    """Build the cell's variant and score it."""
    started = time.monotonic()
    quieten_libraries()
    torch.set_num_threads(cell.threads)
    places.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=places.work) as out:
        settings = build_settings(cell, places, Path(out))
        dataset = data_of(places.data, cell.languages, places.sample_sentences)
        if dataset.digest != cell.data_digest:
            raise BuildError(f"{places.data}, {cell.language}: the data changed during the grid; start it again")
        base = Path(settings.base or "")
        if base.is_dir() and result_digest(base)[:20] != cell.base_digest:
            raise BuildError(f"{base}: the base changed during the grid; start it again")
        if cell.corpus_digest and (not places.corpus or name_corpus(places.corpus).digest != cell.corpus_digest):
            raise BuildError(f"{places.corpus}: the corpus changed during the grid; start it again")
        context = open_context(settings, dataset, SharedWorkspace(places.work / "stages"))
        manifest = (
            int8.build(context, inflated(context, cell.outliers))
            if cell.outliers > 1
            else build_variant(cell.variant, context, cell.threads)
        )
        _, pipeline = open_artifact(context.settings.out / cell.variant, cell.threads)
        scores = dict(score(cell, context, manifest, pipeline, places))
        calibrated = (
            calibration(pipeline, context.dataset.test) if cell.tests == "own" and cell.variant != "int8" else None
        )
    return CellResult(
        cell=cell,
        scores=scores,
        artifact_bytes=manifest.artifact_bytes,
        parameters=manifest.parameters,
        nonzero_parameters=manifest.nonzero_parameters,
        seconds_per_text=manifest.seconds_per_text,
        seconds=round(time.monotonic() - started, 1),
        machine=Machine(
            cpu=cpu_name(), cores=os.cpu_count() or 1, libraries=manifest.libraries, accelerator=accelerator_name()
        ),
        code=code_digest()[:20],
        calibration=calibrated,
    )


def build_settings(cell: Cell, places: Places, out: Path) -> BuildSettings:
    """The build settings of a cell."""
    return BuildSettings(
        out=out,
        base=places.bases[cell.base],
        data=places.data,
        languages=cell.languages,
        sample_sentences=places.sample_sentences,
        seed=cell.seed,
        must_learn=False,
        max_length=cell.max_length,
        overlap=cell.overlap,
        # The paper's models label each word independently.
        transition_weight=0.0,
        sparsity=cell.sparsity,
        prune_embeddings=cell.prune_embeddings,
        prune_after=cell.prune_after,
        recovery_epochs=cell.recovery_epochs,
        int8_threshold=cell.int8_threshold,
        int8_classifier=cell.int8_classifier,
        dynamic_timed=False,
        finetune=cell.finetune,
        distillation=DistillationSettings(
            temperature=cell.temperature or DistillationSettings.temperature,
            layers=cell.student_layers,
            heads=cell.student_heads,
            epochs=cell.student_epochs,
            agnostic_steps=cell.agnostic_steps,
            corpus=places.corpus,
            corpus_lines=places.corpus_lines,
        ),
        pocket=PocketSettings(
            hidden_epochs=PocketSettings.hidden_epochs
            if cell.pocket_hidden_epochs is None
            else cell.pocket_hidden_epochs,
            epochs=cell.pocket_epochs or PocketSettings.epochs,
        ),
        threads=cell.threads,
    )


def score(
    cell: Cell, context: Context, manifest: Manifest, pipeline: Pipeline, places: Places
) -> Iterator[tuple[str, Scores]]:
    """The scores of the cell's tests."""
    yield "dev", manifest.metrics["dev"]
    yield "test", manifest.metrics["test"]
    if cell.tests == "own":
        unseen = unseen_sentences(context.dataset)
        some = len(unseen) < len(context.dataset.test)
        if unseen:
            yield "test, unseen", evaluate(pipeline, unseen, "test, unseen") if some else manifest.metrics["test"]
    elif cell.tests == "robustness":
        for name, noise in NOISES.items():
            yield name, evaluate(pipeline, noise(context.dataset.test, random.Random(cell.seed)), name)
    else:
        for language, path in tests_of_unseen(places).items():
            sentences = read_sentences(path, language)
            if cell.unseen_sentences:
                sentences = sentences[:: max(1, len(sentences) // cell.unseen_sentences)][: cell.unseen_sentences]
            # Ignore entity types that a data set does not label, such as dates in zho.
            types = {label[2:] for sentence in sentences for label in sentence.labels} - {""}
            yield language, evaluate(pipeline, sentences, language, types)


def tests_of_unseen(places: Places) -> dict[str, Path]:
    """The test files of languages without fine-tuning. Raises ``BuildError`` if one of the paper's is missing."""
    if places.crosslingual is None:
        raise BuildError("The test data of unseen languages is missing: pass its folder with --crosslingual")
    paths = {language: places.crosslingual / language / "test.txt" for language in (*UNSEEN, *ANOTHER_FAMILY)}
    for language in UNSEEN:
        if not paths[language].is_file():
            raise BuildError(
                f"{paths[language]} is missing: --crosslingual takes a folder with {{fon,bam,zho}}/test.txt"
            )
    return {language: path for language, path in paths.items() if path.is_file()}


def unseen_sentences(dataset: Dataset) -> Sequence[Sentence]:
    """The test sentences that do not occur in the training split."""
    seen = {tuple(sentence.words) for sentence in dataset.train}
    return [sentence for sentence in dataset.test if tuple(sentence.words) not in seen]


def accelerator_name() -> str | None:
    """The name of the GPU that trains; None on a CPU."""
    device = training_device()
    return torch.cuda.get_device_name(device) if device.type == "cuda" else None


def cpu_name() -> str:
    """The name of the CPU."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
