"""Kinds of mistakes: entities that are missed, spurious, or have a wrong border or type."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from service.ner.decoding import EntitySpan
from service.schemas.accuracy import MISTAKES, MistakeCounts, MistakeKind, MistakesAnswer


class Mistake(NamedTuple):
    """``span`` is the gold entity, or the predicted one if it is spurious; ``found`` overlaps it."""

    kind: MistakeKind
    span: EntitySpan
    found: EntitySpan | None = None


def mistakes_of(gold: Sequence[EntitySpan], predicted: Sequence[EntitySpan]) -> list[Mistake]:
    """Each gold entity that is not found exactly has one mistake, and so has each prediction that overlaps no gold
    entity.

    Both lists are in text order and have no overlaps of their own.
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
    """Each span with the others that overlap it, in linear time."""
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
        """The counts overall, per label and per language."""
        total: Counter[str] = Counter()
        of_label: dict[str, Counter[str]] = {label: Counter() for label in labels}
        of_language: dict[str, Counter[str]] = {language: Counter() for language in languages}
        for (language, label, kind), count in self._counts.items():
            total[kind] += count
            of_label[label][kind] += count
            # Sentences may be in a language that nobody named.
            if language in of_language:
                of_language[language][kind] += count
        return MistakesAnswer(
            **_whole(total),
            labels={label: MistakeCounts(**_whole(counts)) for label, counts in of_label.items()},
            languages={language: MistakeCounts(**_whole(counts)) for language, counts in of_language.items()},
        )


def _whole(counts: Counter[str]) -> dict[str, int]:
    return {kind: counts[kind] for kind in MISTAKES}
