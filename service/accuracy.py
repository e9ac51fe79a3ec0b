"""How right a variant is on labelled data, how sure that figure is, and where it differs from the reference.

Labels come from the pipeline that answers ``/ner`` and entities are counted as the build counts them, so the F1 of the
build's test split is the one in the manifest.
"""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.conll import Sentence
from service.decoding import entity_spans
from service.intervals import interval, ratio, resampled_sums
from service.labelled import LabelledData
from service.pipeline import Pipeline, Timer
from service.schemas import (
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
from service.scoring import Counts

T = TypeVar("T")

MODE = "strict IOB2, as seqeval counts with mode='strict' and scheme=IOB2"
MOST_SHOWN = 10

VARIANT, REFERENCE, AGREEMENT = range(3)
"""What is compared: the variant with the gold labels, the reference with them, the variant with the reference."""


@dataclass(frozen=True)
class Contender:
    """A variant by name, with what answers for it."""

    name: str
    pipeline: Pipeline


def check(
    variant: Contender, reference: Contender, data: LabelledData, advance: Callable[[], None]
) -> Generator[None, None, AccuracyAnswer]:
    """Read every sentence by both variants and compare, yielding between steps; ``advance`` is called after each.

    Where variant and reference are the same, every sentence is read once.
    """
    started = time.perf_counter()
    timer = Timer()
    ours: list[list[str]] = []
    theirs: list[list[str]] = ours if variant.name == reference.name else []
    for sentence in data.sentences:
        result = yield from variant.pipeline.read_words(sentence.words, timer)
        ours.append(result.labels)
        if theirs is not ours:
            yield
            result = yield from reference.pipeline.read_words(sentence.words, timer)
            theirs.append(result.labels)
        advance()
        yield
    tally = yield from _Tally.of(data.sentences, ours, theirs)
    scores = yield from tally.scores(VARIANT)
    reference_scores = yield from tally.scores(REFERENCE)
    difference = yield from tally.differences()
    differing = [place for place, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1]]
    words = list(zip(chain.from_iterable(ours), chain.from_iterable(theirs), strict=True))
    return AccuracyAnswer(
        variant=variant.name,
        mode=MODE,
        data=CheckedData(name=data.name, digest=data.digest),
        examples=len(data.sentences),
        **scores.model_dump(),
        reference=ReferenceAnswer(variant=reference.name, **reference_scores.model_dump()),
        difference=difference,
        agreement=AgreementAnswer(
            f1=tally.counts(AGREEMENT, 0).f1,
            words=sum(mine == other for mine, other in words) / len(words),
            sentences=1 - len(differing) / len(data.sentences),
        ),
        differing_share=len(differing) / len(data.sentences),
        differing=[
            DifferingSentence(
                language=data.sentences[place].language,
                tokens=data.sentences[place].words,
                labels=data.sentences[place].labels,
                variant=ours[place],
                reference=theirs[place],
            )
            for place in differing[:: max(1, len(differing) // MOST_SHOWN)][:MOST_SHOWN]
        ],
        inference_seconds=round(timer.inference_seconds, 4),
        seconds=round(time.perf_counter() - started, 4),
    )


@dataclass(frozen=True)
class _Tally:
    """Entities found rightly, predicted and gold, for every comparison and group: overall, each label, each language.

    ``total`` has the shape (comparisons, groups, 3), ``resampled`` the same after a first axis of resamples, without
    the comparison of the variants with each other.
    """

    labels: list[str]
    languages: list[str]
    total: NDArray[np.float64]
    resampled: NDArray[np.float64]

    @classmethod
    def of(
        cls, sentences: Sequence[Sentence], ours: Sequence[list[str]], theirs: Sequence[list[str]]
    ) -> Generator[None, None, "_Tally"]:
        languages = sorted({sentence.language for sentence in sentences if sentence.language})
        spans = []
        for sentence, our, their in zip(sentences, ours, theirs, strict=True):
            spans.append([set(entity_spans(labels)) for labels in (sentence.labels, our, their)])
            if len(spans) % 50 == 0:
                yield
        labels = sorted({span.label for some in spans for span in some[0] | some[1] | some[2]})
        of_label = {name: place for place, name in enumerate(labels, 1)}
        of_language = {name: place for place, name in enumerate(languages, 1 + len(labels))}
        counts = np.zeros((len(sentences), 3, 1 + len(labels) + len(languages), 3))
        for row, (sentence, (gold, mine, other)) in enumerate(zip(sentences, spans, strict=True)):
            for comparison, (found, expected) in enumerate(((mine, gold), (other, gold), (mine, other))):
                for kind, some in enumerate((found & expected, found, expected)):
                    column = counts[row, comparison, :, kind]
                    column[0] += len(some)
                    for span in some:
                        column[of_label[span.label]] += 1
                    if sentence.language:
                        column[of_language[sentence.language]] += len(some)
            if row % 50 == 0:
                yield
        # Agreement is a plain figure without an interval.
        scored = counts[:, :AGREEMENT]
        sums = yield from resampled_sums(scored.reshape(len(sentences), -1))
        return cls(labels, languages, counts.sum(axis=0), sums.reshape(len(sums), *scored.shape[1:]))

    def counts(self, comparison: int, group: int) -> Counts:
        return Counts(*map(int, self.total[comparison, group]))

    def score(self, comparison: int, group: int) -> ScoreAnswer:
        counts = self.counts(comparison, group)
        correct, predicted, gold = np.moveaxis(self.resampled[:, comparison, group], -1, 0)
        return ScoreAnswer(
            entities=counts.gold,
            precision=counts.precision,
            recall=counts.recall,
            f1=counts.f1,
            intervals=IntervalsAnswer(
                precision=interval(ratio(correct, predicted)),
                recall=interval(ratio(correct, gold)),
                f1=interval(ratio(2 * correct, predicted + gold)),
            ),
        )

    def scores(self, comparison: int) -> Generator[None, None, ScoresAnswer]:
        overall, labels, languages = yield from self._of_groups(partial(self.score, comparison))
        return ScoresAnswer(**overall.model_dump(), labels=labels, languages=languages)

    def difference(self, group: int) -> DifferenceAnswer:
        """F1 of the variant less that of the reference; the interval is of differences on the same resamples."""
        correct, predicted, gold = np.moveaxis(self.resampled[:, :, group], -1, 0)
        f1 = ratio(2 * correct, predicted + gold)
        return DifferenceAnswer(
            f1=self.counts(VARIANT, group).f1 - self.counts(REFERENCE, group).f1,
            interval=interval(f1[:, VARIANT] - f1[:, REFERENCE]),
        )

    def differences(self) -> Generator[None, None, DifferencesAnswer]:
        overall, labels, languages = yield from self._of_groups(self.difference)
        return DifferencesAnswer(**overall.model_dump(), labels=labels, languages=languages)

    def _of_groups(self, answer: Callable[[int], T]) -> Generator[None, None, tuple[T, dict[str, T], dict[str, T]]]:
        """An answer overall, for each label and for each language, yielding between them: intervals take a while."""
        overall = answer(0)
        named: list[dict[str, T]] = [{}, {}]
        place = 1
        for names, answers in zip((self.labels, self.languages), named, strict=True):
            for name in names:
                yield
                answers[name] = answer(place)
                place += 1
        return overall, named[0], named[1]
