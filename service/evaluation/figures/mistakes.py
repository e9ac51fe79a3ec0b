"""In which way a variant is wrong: entities missed, made up, cut wrongly or given another type."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from service.ner.decoding import EntitySpan
from service.schemas.accuracy import MISTAKES, MistakeCounts, MistakeKind, MistakesAnswer


class Mistake(NamedTuple):
    """``span`` is the gold entity, or the predicted one where it is spurious; ``found`` is what overlaps it."""

    kind: MistakeKind
    span: EntitySpan
    found: EntitySpan | None = None


def mistakes_of(gold: Sequence[EntitySpan], predicted: Sequence[EntitySpan]) -> list[Mistake]:
    """Every gold entity that is not found rightly has one mistake, and so has every prediction that overlaps none.

    Both are in the order of the text and do not overlap among themselves.
    """
    if gold == predicted:
        return []
    mistakes: list[Mistake] = []
    for span, others in _overlaps(gold, predicted):
        if not others:
            mistakes.append(Mistake("missed", span))
        elif span not in others:
            alike = [other for other in others if other.label == span.label]
            mistakes.append(Mistake("wrong_border" if alike else "wrong_type", span, (alike or others)[0]))
    mistakes += [Mistake("spurious", span) for span, others in _overlaps(predicted, gold) if not others]
    return mistakes


def _overlaps(
    spans: Sequence[EntitySpan], others: Sequence[EntitySpan]
) -> Iterator[tuple[EntitySpan, list[EntitySpan]]]:
    """Each span with the others that share a word with it, in linear time."""
    first = 0
    for span in spans:
        while first < len(others) and others[first].last < span.first:
            first += 1
        end = first
        while end < len(others) and others[end].first <= span.last:
            end += 1
        yield span, list(others[first:end])


class MistakeTally:
    """Counts mistakes by language, label and kind."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, MistakeKind]] = Counter()

    def add(self, language: str, mistakes: Sequence[Mistake]) -> None:
        self._counts.update((language, mistake.span.label, mistake.kind) for mistake in mistakes)

    def answer(self, labels: Sequence[str], languages: Sequence[str]) -> MistakesAnswer:
        """The counts overall, for each of the labels and for each of the languages."""
        return MistakesAnswer(
            **self._sum(),
            labels={label: MistakeCounts(**self._sum(label=label)) for label in labels},
            languages={language: MistakeCounts(**self._sum(language=language)) for language in languages},
        )

    def _sum(self, language: str | None = None, label: str | None = None) -> dict[str, int]:
        sums = dict.fromkeys(MISTAKES, 0)
        for (of_language, of_label, kind), count in self._counts.items():
            if language in (None, of_language) and label in (None, of_label):
                sums[kind] += count
        return {str(kind): count for kind, count in sums.items()}
