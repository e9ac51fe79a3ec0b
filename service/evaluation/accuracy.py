"""How right a variant is on labelled data, how sure that figure is, and where it differs from the reference.

Labels come from the pipeline that answers ``/ner`` and entities are counted as the build counts them, so the F1 of the
build's test split is the one in the manifest.
"""

import time
from array import array
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.evaluation.conll import Sentence
from service.evaluation.intervals import intervals, ratio, resampled_sums
from service.evaluation.labelled import LabelledData
from service.evaluation.scoring import Counts
from service.ner.decoding import EntitySpan, entity_spans
from service.ner.pipeline import Pipeline
from service.ner.timing import Timer
from service.schemas.accuracy import (
    AccuracyAnswer,
    AgreementAnswer,
    CheckedData,
    DifferenceAnswer,
    DifferencesAnswer,
    DifferingSentence,
    IntervalsAnswer,
    ReferenceAnswer,
    ScoreAnswer,
    ScoresAnswer,
)

T = TypeVar("T")

MODE = "strict IOB2, as seqeval counts with mode='strict' and scheme=IOB2"
MOST_SHOWN = 10

SENTENCES_AT_ONCE = 64
"""Counted in one step, which takes about a millisecond."""

Labels = NDArray[np.uint16]
"""The labels of all words of all sentences, as places in one list."""

F1 = 2
"""The place of F1 behind precision and recall."""

VARIANT, REFERENCE, AGREEMENT = range(3)
"""What is compared: the variant with the gold labels, the reference with them, the variant with the reference."""


@dataclass(frozen=True)
class Contender:
    """A variant by name, with what answers for it."""

    name: str
    pipeline: Pipeline


def check(
    variant: Contender,
    reference: Contender,
    data: LabelledData,
    advance: Callable[[], None],
) -> Generator[None, None, AccuracyAnswer]:
    """Run both variants on every sentence and compare, yielding between steps; ``advance`` is called per sentence.

    If variant and reference are the same, every sentence is run once.
    """
    started = time.perf_counter()
    timer = Timer()
    labelled = yield from _read(variant, reference, data.sentences, timer, advance)
    tally = yield from _Tally.of(data.sentences, labelled)
    different = labelled.ours != labelled.theirs
    differing = np.flatnonzero(np.logical_or.reduceat(different, labelled.bounds[:-1]))
    yield
    answer = AccuracyAnswer(
        variant=variant.name,
        mode=MODE,
        data=CheckedData(name=data.name, digest=data.digest),
        examples=len(data.sentences),
        **{name: getattr(data, name) for name in ("repaired", "left_out", "notes")},
        **dict(tally.scores(VARIANT)),
        reference=ReferenceAnswer(variant=reference.name, **dict(tally.scores(REFERENCE))),
        difference=tally.differences(),
        agreement=AgreementAnswer(
            f1=tally.counts(AGREEMENT, 0).f1,
            words=1 - np.count_nonzero(different) / len(different),
            sentences=1 - len(differing) / len(data.sentences),
        ),
        differing_share=len(differing) / len(data.sentences),
        differing=[
            labelled.show(data.sentences[place], place)
            for place in differing[:: max(1, len(differing) // MOST_SHOWN)][:MOST_SHOWN]
        ],
        inference_seconds=round(timer.inference_seconds, 4),
        seconds=0.0,
    )
    answer.seconds = round(time.perf_counter() - started, 4)
    return answer


@dataclass(frozen=True)
class _Labelled:
    """What the data and both variants say of every word, as places in ``names``; ``bounds`` are those of sentences."""

    names: list[str]
    bounds: NDArray[np.int64]
    gold: Labels
    ours: Labels
    theirs: Labels

    def show(self, sentence: Sentence, place: int) -> DifferingSentence:
        words = slice(self.bounds[place], self.bounds[place + 1])
        return DifferingSentence(
            language=sentence.language,
            tokens=sentence.words,
            labels=sentence.labels,
            variant=[self.names[label] for label in self.ours[words]],
            reference=[self.names[label] for label in self.theirs[words]],
        )


def _read(
    variant: Contender,
    reference: Contender,
    sentences: Sequence[Sentence],
    timer: Timer,
    advance: Callable[[], None],
) -> Generator[None, None, _Labelled]:
    bounds = np.zeros(len(sentences) + 1, dtype=np.int64)
    np.cumsum([len(sentence.words) for sentence in sentences], out=bounds[1:])
    numbers: dict[str, int] = {}
    gold, ours, theirs = (np.empty(bounds[-1], dtype=np.uint16) for _ in range(3))
    readers = [(variant.pipeline, ours, _numbered(numbers, variant.pipeline.scheme.labels))]
    if variant.name == reference.name:
        theirs = ours
    else:
        readers.append((reference.pipeline, theirs, _numbered(numbers, reference.pipeline.scheme.labels)))
    for place, sentence in enumerate(sentences):
        words = slice(bounds[place], bounds[place + 1])
        gold[words] = _numbered(numbers, sentence.labels)
        for pipeline, labels, numbered in readers:
            path = yield from pipeline.label_words(sentence.words, timer)
            labels[words] = numbered[path]
            yield
        advance()
    return _Labelled(list(numbers), bounds, gold, ours, theirs)


def _numbered(numbers: dict[str, int], labels: Iterable[str]) -> Labels:
    """A number for each label; a new label gets the next one."""
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.uint16)


@dataclass(frozen=True)
class _Entities:
    """Different entities: the sentence of each, its type, and in ``finders`` a bit for each of gold, variant, reference
    that has it.
    """

    sentences: NDArray[np.int32]
    types: NDArray[np.uint16]
    finders: NDArray[np.uint8]


def _find_entities(labelled: _Labelled, types: dict[str, int]) -> Generator[None, None, _Entities]:
    """Yields between steps. Arrays of numbers: a check may have 200,000 sentences."""
    sentences, kinds, finders = array("i"), array("H"), array("B")
    for place, (begin, end) in enumerate(pairwise(labelled.bounds.tolist())):
        found: dict[EntitySpan, int] = {}
        for bit, labels in enumerate((labelled.gold, labelled.ours, labelled.theirs)):
            for span in entity_spans([labelled.names[label] for label in labels[begin:end].tolist()]):
                found[span] = found.get(span, 0) | 1 << bit
        for span, by in found.items():
            sentences.append(place)
            kinds.append(types[span.label])
            finders.append(by)
        if place % SENTENCES_AT_ONCE == 0:
            yield
    return _Entities(np.array(sentences, np.int32), np.array(kinds, np.uint16), np.array(finders, np.uint8))


KINDS = np.array(
    [
        [[gold & mine, mine, gold], [gold & other, other, gold], [mine & other, mine, other]]
        for other in (0, 1)
        for mine in (0, 1)
        for gold in (0, 1)
    ],
    dtype=np.float64,
)
"""By ``finders`` of an entity: for each comparison whether it is found rightly, predicted, expected."""


@dataclass(frozen=True)
class _Tally:
    """How many entities are found rightly, predicted and expected, in groups: overall, each label, each language.

    ``total`` has the shape (groups, comparisons, 3), ``bounds`` (groups, comparisons without AGREEMENT, 3, 2) for
    precision, recall and F1, ``difference_bounds`` (groups, 2).
    """

    labels: list[str]
    languages: list[str]
    total: NDArray[np.float64]
    bounds: NDArray[np.float64]
    difference_bounds: NDArray[np.float64]

    @classmethod
    def of(cls, sentences: Sequence[Sentence], labelled: _Labelled) -> Generator[None, None, "_Tally"]:
        types = sorted({name[2:] for name in labelled.names if name != "O"})
        found = yield from _find_entities(labelled, {name: number for number, name in enumerate(types)})
        languages = sorted({sentence.language for sentence in sentences})
        numbers = {name: number for number, name in enumerate(languages)}
        language_of = np.array([numbers[sentence.language] for sentence in sentences], dtype=np.intp)
        yield
        shape = (len(languages), len(types), len(KINDS))
        columns = np.ravel_multi_index((language_of[found.sentences], found.types, found.finders), shape)
        total = np.bincount(columns, minlength=int(np.prod(shape))).reshape(1, *shape)
        occurring = np.flatnonzero(total.sum(axis=(0, 1, 3)))
        named = [number for number, name in enumerate(languages) if name]
        sums = yield from resampled_sums(len(sentences), found.sentences, columns, total.size)
        resampled = _groups_of(sums.reshape(-1, *shape), occurring, named)
        yield
        # Agreement is a plain figure without an interval.
        rates = _rates(resampled[:, :, :AGREEMENT])
        yield
        bounds = intervals(rates)
        yield
        return cls(
            [types[place] for place in occurring],
            [languages[number] for number in named],
            _groups_of(total, occurring, named)[0],
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


def _groups_of(
    tables: NDArray[np.int32] | NDArray[np.int64], types: NDArray[np.intp], languages: Sequence[int]
) -> NDArray[np.float64]:
    """From tables of entities by language, type and finders to counts by group, comparison and kind."""
    exact = tables.astype(np.float64)
    by_type = exact.sum(axis=1)[:, types]
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
