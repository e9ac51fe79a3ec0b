"""The labels that variants are trained and scored on: gold labels, or the predictions of dense."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from build_models.artifacts.export import exported
from build_models.artifacts.scores import evaluate, open_pipeline
from build_models.bases.classifier import Head
from build_models.bases.source import Source
from build_models.data.datasets import SPLITS, Dataset
from build_models.data.sample.generate import generate_sample
from build_models.data.texts import read_unlabelled
from build_models.errors import BuildError, DataError
from build_models.progress import progress, say
from build_models.settings import BuildSettings, FinetuneSettings
from build_models.workspace.workspace import Workspace
from service.artifacts.manifest import DataRecord, Scores
from service.artifacts.warm_up import not_finite
from service.evaluation.conll import Sentence
from service.ner.pipeline import Pipeline, label_sentences
from service.ner.schemes import iob2_labels

LABELLED = "sentences.json"

SENTENCES_AT_ONCE = 1_000

SAMPLE_SENTENCES = 100
"""Of each language of the bundled sample, where a student has nothing else to learn from."""


@dataclass(frozen=True)
class Supervision:
    """If ``gold``, variants are scored by F1; otherwise the labels are predictions of dense, and scores are agreement
    with it. Without dev and test, nothing is measured.
    """

    dataset: Dataset
    gold: bool = True

    @property
    def measured(self) -> bool:
        return bool(self.dataset.dev)

    @property
    def record(self) -> DataRecord | None:
        data = self.dataset
        return DataRecord(name=data.name, digest=data.digest, revision=data.revision) if self.measured else None

    @property
    def tested(self) -> Dataset | None:
        """The data whose test split is kept beside the artefacts, for accuracy checks."""
        return self.dataset if self.gold else None

    @property
    def languages(self) -> list[str]:
        # In train, unlabelled texts have the names of their files as languages.
        return self.dataset.tested_languages if self.gold else []


def supervise(settings: BuildSettings, source: Source, dataset: Dataset | None, workspace: Workspace) -> Supervision:
    """The supervision of a given classifier: its labelled ``dataset``, texts, both or neither."""
    assert source.head is not None
    if dataset is not None:
        check_labels(dataset, source.head)
    if settings.texts is not None:
        texts = read_unlabelled(settings.texts, settings.seed)
        if dataset is not None:
            texts = without_held_out(texts, dataset)
        labelled = label_texts(settings, source, texts, workspace)
        if dataset is None:
            return Supervision(labelled, gold=False)
        more = [sentence for split in SPLITS for sentence in getattr(labelled, split)]
        return Supervision(replace(dataset, train=dataset.train + more))
    if dataset is not None:
        return Supervision(dataset)
    say(
        "neither --data nor --texts: nothing is measured, nothing recovers what pruning loses, and the student learns"
        " the logits of dense on sentences of the bundled sample"
    )
    sample = generate_sample(settings.languages, settings.seed, SAMPLE_SENTENCES)
    # Its labels may be none of the model's: BuildSettings.for_given gives them no weight.
    train = [sentence._replace(labels=["O"] * len(sentence.words)) for sentence in sample.train]
    return Supervision(replace(sample, train=train, dev=[], test=[]), gold=False)


def without_held_out(texts: Dataset, dataset: Dataset) -> Dataset:
    """The texts that are no sentence of dev or test, however they are split into words.

    A corpus often contains the sentences that were labelled. Models that learn from them, even without their labels,
    would score higher on them than on other text.
    """
    held_out = {_letters(sentence) for split in ("dev", "test") for sentence in getattr(dataset, split)}
    kept = [[some for some in getattr(texts, split) if _letters(some) not in held_out] for split in SPLITS]
    left_out = sum(len(getattr(texts, split)) for split in SPLITS) - sum(map(len, kept))
    if left_out:
        say(f"{texts.name}: left out {left_out:,} sentences that are in dev or test of {dataset.name}")
    return Dataset(texts.name, *kept, revision=texts.revision)


def _letters(sentence: Sentence) -> str:
    return "".join(filter(str.isalnum, "".join(sentence.words).casefold()))


def check_labels(dataset: Dataset, head: Head) -> None:
    """Raise ``DataError`` for entity types that the classifier lacks; log those that the data lack."""
    known = {label[2:] for label in iob2_labels(head.labels, head.scheme)} - {""}
    used = {label[2:] for label in dataset.label_list} - {""}
    if unknown := sorted(used - known):
        raise DataError(
            f"{dataset.name} has entities of the type {', '.join(unknown)}, which the model lacks (it has"
            f" {', '.join(sorted(known))}): rename the model's labels with --labels, or relabel the data"
        )
    if unused := sorted(known - used):
        say(f"{dataset.name} has no {', '.join(unused)}: where the model finds one, it counts as wrong")


def label_texts(settings: BuildSettings, source: Source, texts: Dataset, workspace: Workspace) -> Dataset:
    """The sentences, labelled by dense."""
    assert source.head is not None
    inputs = {
        "stage": "texts",
        "model": source.digest,
        "texts": texts.digest,
        "max_length": settings.max_length,
        "overlap": settings.overlap,
    }
    model = exported(workspace, "dense", source.folder)
    labels, scheme = source.head

    def run(result: Path, state: Path) -> None:
        pipeline = open_pipeline(model, "onnx", labels, settings.max_length, settings.overlap, settings.threads, scheme)
        sentences = {split: _labelled(pipeline, getattr(texts, split), split, state) for split in SPLITS}
        (result / LABELLED).write_text(json.dumps(sentences, ensure_ascii=False), encoding="utf-8")

    content = json.loads((workspace.stage("texts", inputs, run) / LABELLED).read_text(encoding="utf-8"))
    return Dataset(texts.name, *([Sentence(*row) for row in content[split]] for split in SPLITS))


def _labelled(pipeline: Pipeline, sentences: list[Sentence], split: str, state: Path) -> list[Sentence]:
    """The sentences with labels, saving every thousand in ``state`` so that the next run can resume."""
    labelled: list[Sentence] = []
    with progress(f"dense labels the texts: {split}", len(sentences)) as advance:
        for first in range(0, len(sentences), SENTENCES_AT_ONCE):
            some = sentences[first : first + SENTENCES_AT_ONCE]
            part = state / f"{split}-{first}.json"
            try:
                found: list[list[str]] = json.loads(part.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                found = list(label_sentences(pipeline, (sentence.words for sentence in some)))
                draft = part.with_suffix(".new")
                draft.write_text(json.dumps(found), encoding="utf-8")
                draft.replace(part)
            labelled += [sentence._replace(labels=labels) for sentence, labels in zip(some, found, strict=True)]
            advance(len(some))
    return labelled


def scores_of(pipeline: Pipeline, dataset: Dataset, name: str, training: FinetuneSettings | None) -> dict[str, Scores]:
    """Scores on dev and test.

    Raises ``BuildError`` if the logits are not finite or, with the ``training`` that was to teach it, if the model
    finds no entity of dev.
    """
    try:
        scores = {"dev": evaluate(pipeline, dataset.dev, f"{name}: dev")}
        if training is not None and scores["dev"].entities and not scores["dev"].f1:
            labels = pipeline.scheme.labels
            raise BuildError(nothing_learnt(name, scores["dev"], labels, training, len(dataset.train)))
        return {**scores, "test": evaluate(pipeline, dataset.test, f"{name}: test")}
    except FloatingPointError:
        raise BuildError(f"{not_finite(Path(name))}") from None


def nothing_learnt(name: str, dev: Scores, labels: Sequence[str], training: FinetuneSettings, sentences: int) -> str:
    """What to do about a model that finds nothing after training."""
    types = ", ".join(label[2:] for label in labels if label.startswith("B-"))
    return (
        f"{name} finds none of the {dev.entities:,} entities of dev after training (F1 0), so nothing was written."
        f" Look at the labels above: are they read in the right scheme (--scheme), are {types} the types? Then try"
        f" more --epochs (now {training.epochs}), another --learning-rate (now {training.learning_rate:g}) or"
        f" more than {sentences:,} sentences"
    )
