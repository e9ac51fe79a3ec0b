"""Counts of correct, predicted and expected entities: scores with intervals, overall, by label and by language."""

from array import array
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.evaluation.figures.intervals import intervals, ratio, resampled_sums
from service.evaluation.scoring import Counts
from service.ner.decoding import EntitySpan
from service.schemas.accuracy import DifferenceAnswer, DifferencesAnswer, IntervalsAnswer, ScoreAnswer, ScoresAnswer

T = TypeVar("T")

F1 = 2
"""The index of F1, after precision and recall."""

VARIANT, REFERENCE, AGREEMENT = range(3)
"""The comparisons: variant with gold, reference with gold, variant with reference."""


class Entities:
    """The distinct entities: the sentence and type of each, and in ``finders`` one bit each for gold, variant and
    reference. Stored in arrays, because a check may have 200,000 sentences.
    """

    def __init__(self) -> None:
        self.types: dict[str, int] = {}
        self._sentences, self._types, self._finders = array("i"), array("H"), array("B")

    def add(self, sentence: int, *found_by: Collection[EntitySpan]) -> None:
        """Those of one sentence, as gold, variant and reference have them."""
        finders: dict[EntitySpan, int] = {}
        for bit, spans in enumerate(found_by):
            for span in spans:
                finders[span] = finders.get(span, 0) | 1 << bit
        for span, by in finders.items():
            self._sentences.append(sentence)
            self._types.append(self.types.setdefault(span.label, len(self.types)))
            self._finders.append(by)

    @property
    def sentences(self) -> NDArray[np.int32]:
        return np.array(self._sentences, np.int32)

    def columns(self, language_of: NDArray[np.intp], types: Sequence[str], shape: Sequence[int]) -> NDArray[np.intp]:
        """The place of each in a table of languages, ``types`` and finders."""
        places = np.array([types.index(name) for name in self.types], dtype=np.intp)
        of_type = places[np.array(self._types, np.intp)] if self.types else places
        return np.ravel_multi_index((language_of[self.sentences], of_type, np.array(self._finders, np.intp)), shape)


KINDS = np.array(
    [
        [[gold & mine, mine, gold], [gold & other, other, gold], [mine & other, mine, other]]
        for other in (0, 1)
        for mine in (0, 1)
        for gold in (0, 1)
    ],
    dtype=np.float64,
)
"""For each value of ``finders``, and each comparison: whether the entity is correct, predicted, expected."""


@dataclass(frozen=True)
class Tally:
    """Counts of correct, predicted and expected entities by group: overall, each label, each language.

    ``total`` has the shape (groups, comparisons, 3), ``bounds`` (groups, comparisons without AGREEMENT, 3, 2) for
    precision, recall and F1, ``difference_bounds`` (groups, 2).
    """

    labels: list[str]
    languages: list[str]
    total: NDArray[np.float64]
    bounds: NDArray[np.float64]
    difference_bounds: NDArray[np.float64]

    @classmethod
    def of(cls, spoken: Sequence[str], found: Entities) -> Generator[None, None, "Tally"]:
        """``spoken`` is the language of each sentence. Yields between steps."""
        types, languages = sorted(found.types), sorted(set(spoken))
        numbers = {name: number for number, name in enumerate(languages)}
        language_of = np.array([numbers[language] for language in spoken], dtype=np.intp)
        yield
        shape = (len(languages), len(types), len(KINDS))
        columns = found.columns(language_of, types, shape)
        total = np.bincount(columns, minlength=int(np.prod(shape))).reshape(1, *shape)
        named = [number for number, name in enumerate(languages) if name]
        sums = yield from resampled_sums(len(spoken), found.sentences, columns, total.size)
        resampled = _groups_of(sums.reshape(-1, *shape), named)
        yield
        # Agreement is a plain figure without an interval.
        rates = _rates(resampled[:, :, :AGREEMENT])
        yield
        bounds = intervals(rates)
        yield
        return cls(
            types,
            [languages[number] for number in named],
            _groups_of(total, named)[0],
            bounds,
            intervals(rates[:, :, VARIANT, F1] - rates[:, :, REFERENCE, F1]),
        )

    def counts(self, comparison: int, group: int) -> Counts:
        return Counts(*map(int, self.total[group, comparison]))

    def score(self, comparison: int, group: int) -> ScoreAnswer:
        counts = self.counts(comparison, group)
        precision, recall, f1 = map(tuple, self.bounds[group, comparison].tolist())
        return ScoreAnswer(
            entities=counts.gold,
            precision=counts.precision,
            recall=counts.recall,
            f1=counts.f1,
            intervals=IntervalsAnswer(precision=precision, recall=recall, f1=f1),
        )

    def scores(self, comparison: int) -> ScoresAnswer:
        overall, labels, languages = self._of_groups(partial(self.score, comparison))
        return ScoresAnswer(**dict(overall), labels=labels, languages=languages)

    def difference(self, group: int) -> DifferenceAnswer:
        """F1 of the variant less that of the reference; the interval is of differences on the same resamples."""
        low, high = self.difference_bounds[group].tolist()
        f1 = self.counts(VARIANT, group).f1 - self.counts(REFERENCE, group).f1
        return DifferenceAnswer(f1=f1, interval=(low, high))

    def differences(self) -> DifferencesAnswer:
        overall, labels, languages = self._of_groups(self.difference)
        return DifferencesAnswer(**dict(overall), labels=labels, languages=languages)

    def _of_groups(self, answer: Callable[[int], T]) -> tuple[T, dict[str, T], dict[str, T]]:
        """An answer overall, for each label and for each language."""
        of_labels = {name: answer(place) for place, name in enumerate(self.labels, 1)}
        of_languages = {name: answer(place) for place, name in enumerate(self.languages, 1 + len(self.labels))}
        return answer(0), of_labels, of_languages


def _groups_of(tables: NDArray[np.int32] | NDArray[np.int64], languages: Sequence[int]) -> NDArray[np.float64]:
    """From tables of entities by language, type and finders to counts by group, comparison and kind."""
    exact = tables.astype(np.float64)
    by_type = exact.sum(axis=1)
    by_language = exact.sum(axis=2)[:, languages]
    groups = np.concatenate([by_type.sum(axis=1, keepdims=True), by_type, by_language], axis=1)
    counts = groups @ KINDS.reshape(len(KINDS), -1)
    return np.asarray(counts.reshape(*groups.shape[:2], *KINDS.shape[1:]))


def _rates(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Precision, recall and F1, along a new last axis, of counts along the old one."""
    correct, predicted, expected = np.moveaxis(counts, -1, 0)
    return np.stack(
        [ratio(correct, predicted), ratio(correct, expected), ratio(2 * correct, predicted + expected)], axis=-1
    )
