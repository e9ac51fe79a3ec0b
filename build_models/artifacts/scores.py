"""Scores artefacts with the service's own runtime, pipeline and metric."""

import statistics
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from build_models.progress import progress
from build_models.training.side_by_side import other_process_paused
from service.artifacts.manifest import Manifest, Scores, read_manifest, verify
from service.artifacts.transitions import read_transitions
from service.artifacts.warm_up import warm_up
from service.evaluation.conll import Sentence
from service.evaluation.scoring import score
from service.ner.encoder import Encoder
from service.ner.pipeline import Pipeline, label_sentences
from service.ner.schemes import Scheme
from service.runtimes import load_runtime
from service.variants import Runtime

TIMED_TEXTS = 60


def open_pipeline(
    folder: Path,
    runtime: Runtime,
    labels: Sequence[str],
    max_length: int,
    overlap: int,
    threads: int,
    scheme: Scheme = "IOB2",
) -> Pipeline:
    """A pipeline on a folder with weights, tokenizer and, optionally, transitions."""
    return Pipeline(
        load_runtime(runtime, folder, threads),
        Encoder.from_folder(folder, max_length, overlap),
        labels,
        transitions=read_transitions(folder, labels),
        scheme=scheme,
    )


def open_artifact(folder: Path, threads: int) -> tuple[Manifest, Pipeline]:
    """The manifest and pipeline of a finished artefact. Raises ``ArtifactError`` and ``OSError``."""
    manifest = read_manifest(folder)
    verify(folder, manifest)
    pipeline = open_pipeline(
        folder, manifest.runtime, manifest.labels, manifest.max_length, manifest.overlap, threads, manifest.scheme
    )
    warm_up(pipeline, folder)
    return manifest, pipeline


def evaluate(
    pipeline: Pipeline, sentences: Sequence[Sentence], title: str, types: Collection[str] | None = None
) -> Scores:
    """Strict IOB2 scores of one split. With ``types``, predicted entities of other types are ignored."""
    with progress(title, len(sentences)) as advance:
        pairs = []
        for sentence, predicted in zip(
            sentences, label_sentences(pipeline, (sentence.words for sentence in sentences)), strict=True
        ):
            if types is not None:
                predicted = [label if label[2:] in types else "O" for label in predicted]
            pairs.append((sentence.language, sentence.labels, predicted))
            advance()
    return score(pairs)


def seconds_per_text(pipeline: Pipeline, sentences: Sequence[Sentence]) -> float:
    """Median seconds per sentence over a sample of the split, one at a time, after a warm-up round."""
    (seconds,) = seconds_side_by_side([pipeline], sentences)
    return seconds


def seconds_side_by_side(pipelines: Sequence[Pipeline], sentences: Sequence[Sentence]) -> list[float]:
    """The same of several pipelines that take turns, so that other work on the machine slows all of them alike."""
    some = sentences[:: max(1, len(sentences) // TIMED_TEXTS)][:TIMED_TEXTS]
    seconds: list[list[float]] = [[] for _ in pipelines]
    with other_process_paused():
        for pipeline in pipelines:
            list(label_sentences(pipeline, (sentence.words for sentence in some)))
        for sentence in some:
            for pipeline, mine in zip(pipelines, seconds, strict=True):
                started = time.perf_counter()
                list(label_sentences(pipeline, [sentence.words]))
                mine.append(time.perf_counter() - started)
    return [statistics.median(mine) for mine in seconds]
