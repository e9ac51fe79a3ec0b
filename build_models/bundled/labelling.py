"""Labels raw sentences by several teachers and keeps those on which they agree."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from build_models.bundled.capitals import Capitals
from build_models.progress import progress
from service.evaluation.conll import Sentence
from service.ner.pipeline import Pipeline, log_softmax, run_to_end


@dataclass(frozen=True)
class Agreement:
    """Which sentences are kept: all words' labels have a mean probability of at least ``confidence``. Per language, up
    to ``most`` sentences with entities and ``plain_share`` times as many without, from ``read`` candidates.
    """

    confidence: float = 0.6
    most: int = 1500
    plain_share: float = 0.5
    read: int = 5000
    shortest: int = 4
    longest: int = 45


class Teachers:
    """Pipelines with the same labels; their tokenizers may differ, because they are combined per word."""

    def __init__(self, pipelines: Sequence[Pipeline]):
        self._pipelines = pipelines

    def label(self, words: Sequence[str]) -> tuple[list[str], float]:
        """The best labels by the mean probability of the teachers, and the lowest probability among them."""
        scheme = self._pipelines[0].scheme
        mean = np.mean([np.exp(self._log_probabilities(pipeline, words)) for pipeline in self._pipelines], axis=0)
        path = run_to_end(scheme.best_path(np.log(np.maximum(mean, 1e-9))))
        return [scheme.labels[label] for label in path], float(mean[np.arange(len(path)), path].min())

    @staticmethod
    def _log_probabilities(pipeline: Pipeline, words: Sequence[str]) -> NDArray[np.float64]:
        log_probabilities = pipeline.scheme.certainly_outside(len(words))
        for decided, window in pipeline.encoder.windows(pipeline.encoder.encode_all(words)):
            log_probabilities[decided] = log_softmax(pipeline.runtime.logits(window.input_ids)[window.heads])
        return log_probabilities


def agreed_sentences(
    teachers: Teachers,
    language: str,
    sentences: Sequence[Sequence[str]],
    agreement: Agreement,
    seed: int,
    labelled: Sequence[Sentence] = (),
) -> tuple[list[Sentence], Counter[str]]:
    """Sentences of one language with confident labels, shuffled, and the numbers of sentences read, confident and kept.

    Sentences with an overlooked probable name are dropped (see ``Capitals``, which takes ``labelled``). Stops when
    there are enough.
    """
    capitals = Capitals(sentences, labelled)
    order = list(sentences)
    random.Random(f"{seed}/{language}").shuffle(order)
    order = order[: agreement.read]
    plain_most = round(agreement.most * agreement.plain_share)
    kept: list[Sentence] = []
    counts: Counter[str] = Counter()
    with progress(f"labels of {language}", len(order)) as advance:
        for sentence, sure in _labelled(teachers, language, order, agreement):
            advance()
            counts["read"] += 1
            if not sure or capitals.overlooked(sentence.words, sentence.labels):
                continue
            kind = "with" if any(label != "O" for label in sentence.labels) else "without"
            counts["sure"] += 1
            if counts[kind] < (agreement.most if kind == "with" else plain_most):
                counts[kind] += 1
                kept.append(sentence)
            if counts["with"] >= agreement.most and counts["without"] >= plain_most:
                break
    kept = balanced(kept, agreement.plain_share)
    counts["kept"] = len(kept)
    return kept, counts


def _labelled(
    teachers: Teachers, language: str, sentences: Iterable[Sequence[str]], agreement: Agreement
) -> Iterator[tuple[Sentence, bool]]:
    for words in sentences:
        labels, confidence = teachers.label(words)
        yield Sentence(language, list(words), labels), confidence >= agreement.confidence


def balanced(sentences: Sequence[Sentence], plain_share: float) -> list[Sentence]:
    """All sentences with entities, and at most ``plain_share`` times as many without."""
    most = round(plain_share * sum(any(label != "O" for label in sentence.labels) for sentence in sentences))
    kept, plain = [], 0
    for sentence in sentences:
        if all(label == "O" for label in sentence.labels):
            plain += 1
            if plain > most:
                continue
        kept.append(sentence)
    return kept
