"""From text to entities: words, pieces, overlapping windows, logits, labels, spans.

All variants share this pipeline and differ only in their runtime's ``logits``, so measured differences come from the
models. The build evaluates artefacts with it, too. Windows are run one at a time without padding, so an answer does
not depend on other requests.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.ner.decoding import EntitySpan, LabelScheme, entity_spans
from service.ner.encoder import Encoder, Tokens
from service.ner.schemes import Scheme
from service.ner.timing import Timer
from service.ner.transitions import Transitions
from service.ner.words import WORDS_AT_ONCE, Word, iterate_words

T = TypeVar("T")


class Runtime(Protocol):
    """An execution engine with a loaded model."""

    def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Run one window, from piece ids of shape (pieces,) to logits of shape (pieces, labels)."""


class Entity(NamedTuple):
    """A named entity; ``start`` and ``end`` count code points of a text, or words of a tokenized sentence."""

    label: str
    text: str
    start: int
    end: int
    score: float


@dataclass
class Result:
    """The entities of a document and the label of each word."""

    entities: list[Entity]
    labels: list[str]


class Pipeline:
    """A runtime with its encoder and label scheme."""

    def __init__(
        self,
        runtime: Runtime,
        encoder: Encoder,
        labels: Sequence[str],
        digest: str = "",
        transitions: Transitions | None = None,
        scheme: Scheme = "IOB2",
    ):
        """``labels`` are those of the model's head and follow ``scheme``. ``digest`` is the artefact's identity."""
        self.digest = digest
        self.runtime = runtime
        self.encoder = encoder
        self.scheme = LabelScheme(labels, transitions, scheme)

    def read_text(self, text: str, timer: Timer) -> Generator[None, None, Result]:
        """Find the entities of a text. Yields between steps, so that other requests can run.

        Offsets are code points: ``text[start:end] == entity.text``.
        """
        words, parts = yield from timer.tokenize.over(_split(text))

        def cut(span: EntitySpan) -> tuple[str, int, int]:
            start, end = words[span.first].start, words[span.last].end
            return text[start:end], start, end

        labels, scores = yield from self._label(parts, timer)
        return Result((yield from _entities(labels, scores, cut)), labels)

    def read_words(self, words: Sequence[str], timer: Timer) -> Generator[None, None, Result]:
        """Find the entities of a sentence that is already split into words; offsets count words."""

        def cut(span: EntitySpan) -> tuple[str, int, int]:
            return " ".join(words[span.first : span.last + 1]), span.first, span.last + 1

        labels, scores = yield from self._label(words, timer)
        return Result((yield from _entities(labels, scores, cut)), labels)

    def label_words(self, words: Sequence[str], timer: Timer) -> Generator[None, None, NDArray[np.intp]]:
        """Label a sentence that is already split; returns indices into ``scheme.labels`` of shape (words,)."""
        _, path = yield from self._decide(words, timer)
        return path

    def find_in_words(
        self, words: Sequence[str], timer: Timer
    ) -> Generator[None, None, tuple[NDArray[np.intp], list[tuple[EntitySpan, float]]]]:
        """As ``label_words``, with the entities and the scores that ``read_words`` gives them."""
        log_probabilities, path = yield from self._decide(words, timer)
        spans = entity_spans([self.scheme.labels[label] for label in path.tolist()])
        if not spans:
            return path, []
        scores = yield from self._word_scores(log_probabilities, path, timer)
        return path, [(span, _score(scores, span)) for span in spans]

    def _decide(
        self, words: Sequence[str], timer: Timer
    ) -> Generator[None, None, tuple[NDArray[np.float64], NDArray[np.intp]]]:
        """Log probabilities of shape (words, labels) and the best valid path of shape (words,)."""
        # Words without pieces are in no window.
        log_probabilities = self.scheme.certainly_outside(len(words))
        tokens = Tokens()
        encoding = self.encoder.encode(words)
        while len(tokens.heads) < len(words):
            if tokens.heads:
                yield
            with timer.tokenize:
                tokens = next(encoding)
        for position, (decided, window) in enumerate(self.encoder.windows(tokens)):
            if position:
                yield
            with timer.inference:
                logits = self.runtime.logits(window.input_ids)
            timer.pieces += len(window.input_ids)
            check_finite(logits)
            with timer.decode:
                log_probabilities[decided] = log_softmax(logits[window.heads])
        path = yield from timer.decode.over(self.scheme.best_path(log_probabilities))
        return log_probabilities, path

    def _label(
        self, words: Sequence[str], timer: Timer
    ) -> Generator[None, None, tuple[list[str], NDArray[np.float64]]]:
        """The best valid IOB2 labels and the probabilities of their types."""
        log_probabilities, path = yield from self._decide(words, timer)
        scores = yield from self._word_scores(log_probabilities, path, timer)
        return [self.scheme.labels[label] for label in path.tolist()], scores

    def _word_scores(
        self, log_probabilities: NDArray[np.float64], path: NDArray[np.intp], timer: Timer
    ) -> Generator[None, None, NDArray[np.float64]]:
        scores = np.empty(len(path))
        for first in range(0, len(path), WORDS_AT_ONCE):
            if first:
                yield
            some = slice(first, first + WORDS_AT_ONCE)
            with timer.decode:
                scores[some] = self.scheme.type_probabilities(log_probabilities[some], path[some])
        return scores


def _score(scores: NDArray[np.float64], span: EntitySpan) -> float:
    """The score of an entity, from those of all words."""
    return round(float(scores[span.first : span.last + 1].mean()), 4)


def _split(text: str) -> Generator[None, None, tuple[list[Word], list[str]]]:
    """The words of a text as spans and as strings."""
    words: list[Word] = []
    parts: list[str] = []
    for word in iterate_words(text):
        words.append(word)
        parts.append(text[word.start : word.end])
        if len(words) % WORDS_AT_ONCE == 0:
            yield
    return words, parts


def _entities(
    labels: Sequence[str], scores: NDArray[np.float64], cut: Callable[[EntitySpan], tuple[str, int, int]]
) -> Generator[None, None, list[Entity]]:
    """The entities of labelled words; ``cut`` maps a span of words to its text, start and end."""
    entities: list[Entity] = []
    for span in entity_spans(labels):
        entities.append(Entity(span.label, *cut(span), _score(scores, span)))
        if len(entities) % WORDS_AT_ONCE == 0:
            yield
    return entities


def check_finite(logits: NDArray[np.float32]) -> None:
    """Raise ``FloatingPointError`` for NaN or infinite logits, whose labels would look like a valid answer."""
    if not np.isfinite(logits).all():
        raise FloatingPointError("the model returned logits that are not finite")


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log probabilities over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def run_to_end(steps: Generator[None, None, T]) -> T:
    """Run all steps and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result


def label_sentences(pipeline: Pipeline, sentences: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    """Predicted IOB2 labels of tokenized sentences."""
    for words in sentences:
        yield [pipeline.scheme.labels[label] for label in run_to_end(pipeline.label_words(words, Timer()))]
