"""How far the scores of entities are from the share of them that is right."""

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from service.evaluation.conll import Sentence
from service.ner.decoding import entity_spans
from service.ner.pipeline import Pipeline, run_to_end
from service.ner.timing import Timer

BINS = 10


class Calibration(BaseModel):
    """Of the entities found in a split: their mean score, the share that is right, and the expected calibration error.

    The error is the mean distance of the two within bins of equal width of the score (Guo et al. 2017).
    """

    model_config = ConfigDict(extra="forbid")

    entities: int
    score: float
    right: float
    error: float


def calibration(pipeline: Pipeline, sentences: Sequence[Sentence]) -> Calibration:
    return calibrated(found(pipeline, sentences))


def found(pipeline: Pipeline, sentences: Sequence[Sentence]) -> Iterable[tuple[float, bool]]:
    """The score of each entity found, and whether it is in the gold labels."""
    for sentence in sentences:
        gold = {(span.label, span.first, span.last + 1) for span in entity_spans(sentence.labels)}
        for entity in run_to_end(pipeline.read_words(sentence.words, Timer())).entities:
            yield entity.score, (entity.label, entity.start, entity.end) in gold


def calibrated(entities: Iterable[tuple[float, bool]]) -> Calibration:
    pairs = np.array(list(entities), dtype=np.float64).reshape(-1, 2)
    if not len(pairs):
        return Calibration(entities=0, score=0.0, right=0.0, error=0.0)
    scores, right = pairs.T
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights=scores - right, minlength=BINS)
    return Calibration(
        entities=len(pairs),
        score=round(float(scores.mean()), 6),
        right=round(float(right.mean()), 6),
        error=round(float(np.abs(gaps).sum() / len(pairs)), 6),
    )
