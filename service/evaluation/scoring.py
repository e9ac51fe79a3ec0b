"""Strict IOB2 precision, recall and F1, as ``seqeval`` counts them in its strict mode with the IOB2 scheme."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from service.artifacts.manifest import Scores
from service.ner.decoding import entity_spans


class Counts(NamedTuple):
    """Entities found rightly, predicted and in the gold labels."""

    correct: int
    predicted: int
    gold: int

    def __add__(self, other: "Counts") -> "Counts":  # type: ignore[override]
        return Counts(self.correct + other.correct, self.predicted + other.predicted, self.gold + other.gold)

    @property
    def precision(self) -> float:
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.correct / (self.predicted + self.gold) if self.predicted + self.gold else 0.0


NOTHING = Counts(0, 0, 0)


def count(gold: Sequence[str], predicted: Sequence[str]) -> Counts:
    """Compare one sentence. Raises ``ValueError`` if the two have not one label for each word."""
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold labels, {len(predicted)} predicted ones")
    gold_spans, predicted_spans = set(entity_spans(gold)), set(entity_spans(predicted))
    return Counts(len(gold_spans & predicted_spans), len(predicted_spans), len(gold_spans))


def score(sentences: Iterable[tuple[str, Sequence[str], Sequence[str]]]) -> Scores:
    """Micro scores of ``(language, gold, predicted)`` sentences, overall and F1 per language."""
    total, number = NOTHING, 0
    languages: dict[str, Counts] = defaultdict(lambda: NOTHING)
    for language, gold, predicted in sentences:
        counts = count(gold, predicted)
        total, number = total + counts, number + 1
        languages[language] += counts
    return Scores(
        f1=total.f1,
        precision=total.precision,
        recall=total.recall,
        sentences=number,
        entities=total.gold,
        languages={language: counts.f1 for language, counts in sorted(languages.items())},
    )
