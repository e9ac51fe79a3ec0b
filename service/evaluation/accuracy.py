"""Scores a variant on labelled data with intervals, mistakes and calibration, and compares it with the reference.

Labels come from the pipeline that answers ``/ner``, and entities are counted as in the build, so the F1 on the build's
test split is the one in the manifest.
"""

import time
from array import array
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.evaluation.figures.calibration import Calibration
from service.evaluation.figures.mistakes import MistakeTally, mistakes_of
from service.evaluation.figures.tally import AGREEMENT, REFERENCE, VARIANT, Entities, Tally
from service.evaluation.labelled import LabelledData, spread_evenly
from service.ner.decoding import EntitySpan, entity_spans
from service.ner.pipeline import Pipeline
from service.ner.timing import Timer
from service.schemas.accuracy import (
    AccuracyAnswer,
    AgreementAnswer,
    CheckedData,
    DifferingSentence,
    MistakeAnswer,
    MistakenSentence,
    ReferenceAnswer,
    SpanAnswer,
)

MODE = "strict IOB2, as seqeval counts with mode='strict' and scheme=IOB2"
MOST_SHOWN = 10

Labels = NDArray[np.uint16]
"""The labels of all words of all sentences, as indices into one list of labels."""


@dataclass(frozen=True)
class Contender:
    """A variant's name and pipeline."""

    name: str
    pipeline: Pipeline


def check(
    variant: Contender,
    reference: Contender,
    data: LabelledData,
    advance: Callable[[], None],
    mistakes: int = MOST_SHOWN,
) -> Generator[None, None, AccuracyAnswer]:
    """Run both variants on every sentence and compare, yielding between steps; ``advance`` is called per sentence.

    If variant and reference are the same, every sentence is run once. At most ``mistakes`` sentences with some
    are in the answer.
    """
    started = time.perf_counter()
    timer = Timer()
    readings = _Readings(data)
    yield from readings.read(variant, reference, timer, advance)
    tally = yield from Tally.of([sentence.language for sentence in data.sentences], readings.entities)
    different = readings.ours.labels != readings.theirs.labels
    differing = np.flatnonzero(np.logical_or.reduceat(different, readings.bounds[:-1]))
    yield
    answer = AccuracyAnswer(
        variant=variant.name,
        mode=MODE,
        data=CheckedData(name=data.name, digest=data.digest),
        noise=data.noise,
        examples=len(data.sentences),
        **{name: getattr(data, name) for name in ("repaired", "left_out", "notes")},
        **dict(tally.scores(VARIANT)),
        **readings.ours.answers(tally),
        reference=ReferenceAnswer(
            variant=reference.name, **dict(tally.scores(REFERENCE)), **readings.theirs.answers(tally)
        ),
        difference=tally.differences(),
        agreement=AgreementAnswer(
            f1=tally.counts(AGREEMENT, 0).f1,
            words=1 - np.count_nonzero(different) / len(different),
            sentences=1 - len(differing) / len(data.sentences),
        ),
        differing_share=len(differing) / len(data.sentences),
        differing=[readings.show(place) for place in spread_evenly(differing.tolist(), MOST_SHOWN)],
        mistaken=[readings.show_mistakes(place) for place in spread_evenly(readings.ours.mistaken, mistakes)],
        inference_seconds=round(timer.inference.seconds, 4),
        seconds=0.0,
    )
    answer.seconds = round(time.perf_counter() - started, 4)
    return answer


@dataclass
class _Reader:
    """One variant's labels, mistakes and calibration."""

    labels: Labels
    mistaken: "array[int]" = field(default_factory=lambda: array("i"))
    mistakes: MistakeTally = field(default_factory=MistakeTally)
    calibration: Calibration = field(default_factory=Calibration)

    def note(
        self, place: int, language: str, gold: Sequence[EntitySpan], predicted: Sequence[tuple[EntitySpan, float]]
    ) -> list[EntitySpan]:
        """Count the entities of a sentence; return them without scores."""
        spans = [span for span, _ in predicted]
        mistakes = mistakes_of(gold, spans)
        if mistakes:
            self.mistaken.append(place)
            self.mistakes.add(language, mistakes)
        self.calibration.add(gold, predicted)
        return spans

    def answers(self, tally: Tally) -> dict[str, Any]:
        mistakes = self.mistakes.answer(tally.labels, tally.languages)
        return {"mistakes": mistakes, "calibration": self.calibration.answer()}


class _Readings:
    """What the data and both variants say of every word; labels are places in ``names``, ``bounds`` those of sentences.

    Of entities only counts are kept.
    """

    def __init__(self, data: LabelledData):
        self._data = data
        self.bounds = np.zeros(len(data.sentences) + 1, dtype=np.int64)
        np.cumsum([len(sentence.words) for sentence in data.sentences], out=self.bounds[1:])
        self.ours, self.theirs = (_Reader(np.empty(self.bounds[-1], dtype=np.uint16)) for _ in range(2))
        self.entities = Entities()
        self._numbers: dict[str, int] = {}

    def read(
        self, variant: Contender, reference: Contender, timer: Timer, advance: Callable[[], None]
    ) -> Generator[None, None, None]:
        readers = [(variant.pipeline, self.ours, self._numbered(variant.pipeline.scheme.labels))]
        if variant.name == reference.name:
            self.theirs = self.ours
        else:
            readers.append((reference.pipeline, self.theirs, self._numbered(reference.pipeline.scheme.labels)))
        for place, sentence in enumerate(self._data.sentences):
            words = self._data.words(place)
            gold = entity_spans(sentence.labels)
            found = []
            for pipeline, reader, numbered in readers:
                path, entities = yield from pipeline.find_in_words(words, timer)
                reader.labels[self._place(place)] = numbered[path]
                found.append(reader.note(place, sentence.language, gold, entities))
                yield
            self.entities.add(place, gold, found[0], found[-1])
            advance()

    def _numbered(self, labels: Iterable[str]) -> Labels:
        """The numbers of labels; a new label gets the next number."""
        return np.array([self._numbers.setdefault(label, len(self._numbers)) for label in labels], dtype=np.uint16)

    def _place(self, place: int) -> slice:
        return slice(self.bounds[place], self.bounds[place + 1])

    def show(self, place: int) -> DifferingSentence:
        """A sentence with its labels by all three."""
        sentence, names = self._data.sentences[place], list(self._numbers)
        ours, theirs = (
            [names[label] for label in reader.labels[self._place(place)]] for reader in (self.ours, self.theirs)
        )
        return DifferingSentence(
            language=sentence.language,
            tokens=self._data.words(place),
            labels=sentence.labels,
            variant=ours,
            reference=theirs,
        )

    def show_mistakes(self, place: int) -> MistakenSentence:
        shown = self.show(place)
        mistakes = mistakes_of(entity_spans(shown.labels), entity_spans(shown.variant))
        return MistakenSentence(
            **dict(shown),
            mistakes=[
                MistakeAnswer(
                    kind=mistake.kind,
                    **_span(mistake.span),
                    found=None if mistake.found is None else SpanAnswer(**_span(mistake.found)),
                )
                for mistake in mistakes
            ],
        )


def _span(span: EntitySpan) -> dict[str, Any]:
    return {"label": span.label, "start": span.first, "end": span.last + 1}
