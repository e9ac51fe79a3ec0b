"""How far the scores of entities are from the share of them that is right."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from service.evaluation.conll import Sentence
from service.evaluation.figures.calibration import Calibration as Counts
from service.ner.decoding import EntitySpan, entity_spans
from service.ner.pipeline import Pipeline, run_to_end
from service.ner.timing import Timer


class Calibration(BaseModel):
    """Of the entities found in a split: their mean score, the share that is right, and the expected calibration error.

    The error is the mean distance of the two within bins of equal width of the score (Guo et al. 2017).
    """

    model_config = ConfigDict(extra="forbid")

    entities: int
    score: float
    right: float
    error: float


def calibration(pipeline: Pipeline, sentences: Sequence[Sentence]) -> Calibration | None:
    """None if the model finds nothing: then there is no score that could be right or wrong."""
    counts = Counts()
    for sentence in sentences:
        found = run_to_end(pipeline.read_words(sentence.words, Timer())).entities
        spans = [(EntitySpan(entity.label, entity.start, entity.end - 1), entity.score) for entity in found]
        counts.add(list(entity_spans(sentence.labels)), spans)
    return summed(counts)


def summed(counts: Counts) -> Calibration | None:
    answer = counts.answer()
    entities = sum(some.count for some in answer.bins)
    if not entities:
        return None
    return Calibration(
        entities=entities,
        score=round(sum((some.mean_score or 0.0) * some.count for some in answer.bins) / entities, 6),
        right=round(sum((some.right or 0.0) * some.count for some in answer.bins) / entities, 6),
        error=round(answer.expected_error or 0.0, 6),
    )
