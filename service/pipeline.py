"""Text to entities: words, pieces, overlapping windows, logits, labels, spans.

Every variant shares this path and only its runtime's ``logits`` differ, so a measured difference between variants
comes from the models. The build scores artefacts through it too: what is evaluated is what is served.

Each window is read alone, without padding: the answer for a document depends on nothing else in flight.
"""

import hashlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from service.decoding import EntitySpan, LabelScheme, entity_spans
from service.transitions import Transitions
from service.words import WORDS_AT_ONCE, Word, iterate_words

T = TypeVar("T")

CHARACTERS_AT_ONCE = 4096
"""``WORDS_AT_ONCE`` in characters, for words given as tokens may be long and the tokenizer holds Python's lock."""

CHARACTERS_OF_A_PIECE = 8
"""A word is cut to so many characters for each piece that a window has room for; its later pieces are not used."""


class Runtime(Protocol):
    """An execution engine with one model in it."""

    def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Run one window: piece identifiers of shape (pieces,) to logits of shape (pieces, labels)."""


class Entity(NamedTuple):
    """A named entity; ``start`` and ``end`` count code points of the text, or words where words were given."""

    label: str
    text: str
    start: int
    end: int
    score: float


@dataclass
class Result:
    """What was found in one document, and the label and its probability for each word."""

    entities: list[Entity]
    labels: list[str]


class Window(NamedTuple):
    """Pieces to run at once. ``heads`` are the places, in the window, of the first pieces of the words it decides."""

    input_ids: NDArray[np.int64]
    heads: NDArray[np.intp]


@dataclass
class Phase:
    """Measures one kind of work: ``with phase: …``. ``began`` and ``ended`` are of its first and last time, by
    ``perf_counter``; ``seconds`` is the sum, without what other requests took in between.
    """

    seconds: float = 0.0
    began: float | None = None
    ended: float = 0.0

    def __enter__(self) -> None:
        self._entered = time.perf_counter()
        if self.began is None:
            self.began = self._entered

    def __exit__(self, *exception: object) -> None:
        self.ended = time.perf_counter()
        self.seconds += self.ended - self._entered

    def over(self, steps: Generator[None, None, T]) -> Generator[None, None, T]:
        """Measure every one of these steps, and not what comes between them."""
        while True:
            with self:
                try:
                    next(steps)
                except StopIteration as stop:
                    result: T = stop.value
                    return result
            yield


@dataclass
class Timer:
    """Where the time of a request went, and the pieces that were run; the caller reads it after the last step."""

    tokenize: Phase = field(default_factory=Phase)
    inference: Phase = field(default_factory=Phase)
    decode: Phase = field(default_factory=Phase)
    pieces: int = 0

    @property
    def inference_seconds(self) -> float:
        return self.inference.seconds


@dataclass
class Tokens:
    """Words encoded so far: the pieces of all, and for each word where its first piece stands (-1: it has none)."""

    pieces: list[int] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)


class Encoder:
    """The tokenizer of an artefact, and how it lays words out in windows of ``max_length`` pieces."""

    def __init__(self, tokenizer: Tokenizer, max_length: int, overlap: int, digest: str = ""):
        """``overlap`` pieces are shared by neighbouring windows, ``digest`` is the tokenizer's if it is known. Raises
        ``ValueError`` if no window could advance.

        Encoders of one ``identity`` encode every word alike.
        """
        self.identity = (digest or object(), max_length, overlap)
        self.capacity = max_length - 2
        if not 0 <= overlap < self.capacity:
            raise ValueError(f"an overlap of {overlap} pieces does not fit windows of {max_length}")
        self.overlap = overlap
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # A word "<mask>" of the caller's is text like any other. This keeps the tokenizer from looking for special
        # pieces, but its vocabulary still holds them, so encode() replaces those that it finds.
        self._tokenizer.encode_special_tokens = True
        self._begin, self._end, self._unknown = (self._special(piece) for piece in ("<s>", "</s>", "<unk>"))
        added = self._tokenizer.get_added_tokens_decoder()
        self._specials = {identifier for identifier, token in added.items() if token.special} | {self._begin, self._end}

    @classmethod
    def from_folder(cls, folder: Path, max_length: int, overlap: int) -> "Encoder":
        content = (folder / "tokenizer.json").read_bytes()
        return cls(Tokenizer.from_buffer(content), max_length, overlap, hashlib.sha256(content).hexdigest())

    def _special(self, piece: str) -> int:
        identifier = self._tokenizer.token_to_id(piece)
        if identifier is None:
            raise ValueError(f"the tokenizer has no {piece!r}: it is not laid out like XLM-R's")
        return int(identifier)

    def encode(self, words: Sequence[str]) -> Iterator[Tokens]:
        """Encode words each by itself, as in the CoNLL files, yielding what there is so far after every few.

        A word of more pieces than fit a window is represented by its first ones. A word of none (only zero-width
        characters, say) is left out of the windows.
        """
        tokens = Tokens()
        for some in self._parts(words):
            encoding = self._tokenizer.encode(some, is_pretokenized=True, add_special_tokens=False)
            previous, count = -1, 0
            heads = [-1] * len(some)
            for piece, word in zip(encoding.ids, encoding.word_ids, strict=True):
                if word != previous:
                    heads[word], previous, count = len(tokens.pieces), word, 0
                count += 1
                if count <= self.capacity:
                    tokens.pieces.append(self._unknown if piece in self._specials else piece)
            tokens.heads += heads
            yield tokens

    def _parts(self, words: Sequence[str]) -> Iterator[list[str]]:
        """The words, cut to what can matter, in parts that are tokenized quickly."""
        longest = CHARACTERS_OF_A_PIECE * self.capacity
        part: list[str] = []
        characters = 0
        for word in words:
            cut = word[:longest]
            if part and (len(part) == WORDS_AT_ONCE or characters + len(cut) > CHARACTERS_AT_ONCE):
                yield part
                part, characters = [], 0
            part.append(cut)
            characters += len(cut)
        if part:
            yield part

    def encode_all(self, words: Sequence[str]) -> Tokens:
        """The same in one go."""
        tokens = Tokens()
        for tokens in self.encode(words):  # noqa: B007 (the last one holds all)
            pass
        return tokens

    def windows(self, tokens: Tokens) -> Iterator[tuple[NDArray[np.intp], Window]]:
        """Cut encoded words into windows; yields the indices of the words that each window decides, and the window.

        A window begins and ends with whole words. Where two overlap, the border between the words that they decide
        is the middle: each word is decided where it has more context.
        """
        heads = np.asarray(tokens.heads, dtype=np.intp)
        words = np.flatnonzero(heads >= 0)
        if not words.size:
            return
        heads = heads[words]
        if len(tokens.pieces) <= self.capacity:
            # Nearly every sentence; the rest of this takes several times as long.
            yield words, Window(np.array([self._begin, *tokens.pieces, self._end], dtype=np.int64), heads + 1)
            return
        pieces = np.asarray(tokens.pieces, dtype=np.int64)
        spans = list(self._spans(np.append(heads, len(pieces))))
        middles = [(following[0] + span[1]) / 2 for span, following in pairwise(spans)]
        borders = [0, *np.searchsorted(heads, middles), len(words)]
        for (start, end), (first, last) in zip(spans, pairwise(borders), strict=True):
            ids = np.concatenate(([self._begin], pieces[start:end], [self._end])).astype(np.int64)
            yield words[first:last], Window(ids, heads[first:last] - start + 1)

    def _spans(self, bounds: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
        """Where windows start and end, in pieces; ``bounds`` are the starts of all words and the end of the last."""
        total = int(bounds[-1])
        start = end = 0
        while end < total:
            previous, end = end, int(bounds[np.searchsorted(bounds, start + self.capacity, side="right") - 1])
            # Before a word too long to follow, the window may hold nothing that the last one did not.
            if end > previous:
                yield start, end
            following = int(bounds[np.searchsorted(bounds, end - self.overlap)])
            start = following if following > start else int(bounds[np.searchsorted(bounds, start, side="right")])


class Pipeline:
    """A runtime with its encoder and label list: everything between a document and its entities."""

    def __init__(
        self,
        runtime: Runtime,
        encoder: Encoder,
        labels: Sequence[str],
        digest: str = "",
        transitions: Transitions | None = None,
    ):
        """``digest`` is the artefact's identity, which answers name."""
        self.digest = digest
        self.runtime = runtime
        self.encoder = encoder
        self.scheme = LabelScheme(labels, transitions)

    def read_text(self, text: str, timer: Timer) -> Generator[None, None, Result]:
        """Find the entities of a text, yielding between steps so that other work can go in between.

        Offsets count code points of the text as given: ``text[start:end] == entity.text``.
        """
        words, parts = yield from timer.tokenize.over(_split(text))

        def cut(span: EntitySpan) -> tuple[str, int, int]:
            start, end = words[span.first].start, words[span.last].end
            return text[start:end], start, end

        labels, scores = yield from self._label(parts, timer)
        return Result((yield from _entities(labels, scores, cut)), labels)

    def read_words(self, words: Sequence[str], timer: Timer) -> Generator[None, None, Result]:
        """The same for a sentence that is already split; offsets count words."""

        def cut(span: EntitySpan) -> tuple[str, int, int]:
            return " ".join(words[span.first : span.last + 1]), span.first, span.last + 1

        labels, scores = yield from self._label(words, timer)
        return Result((yield from _entities(labels, scores, cut)), labels)

    def _label(
        self, words: Sequence[str], timer: Timer
    ) -> Generator[None, None, tuple[list[str], NDArray[np.float64]]]:
        """The best valid IOB2 labels, and the probability that the model gives the type of each of them."""
        # A word that no window holds is outside, for certain.
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
        labels: list[str] = []
        scores = np.empty(len(words))
        for first in range(0, len(words), WORDS_AT_ONCE):
            if first:
                yield
            some = slice(first, first + WORDS_AT_ONCE)
            with timer.decode:
                labels += [self.scheme.labels[label] for label in path[some]]
                scores[some] = self.scheme.type_probabilities(log_probabilities[some], path[some])
        return labels, scores


def _split(text: str) -> Generator[None, None, tuple[list[Word], list[str]]]:
    """The words of a text, and what stands in each."""
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
    """The entities of labelled words; ``cut`` gives the text, start and end of a span of words."""
    entities: list[Entity] = []
    for span in entity_spans(labels):
        score = float(scores[span.first : span.last + 1].mean())
        entities.append(Entity(span.label, *cut(span), score))
        if len(entities) % WORDS_AT_ONCE == 0:
            yield
    return entities


def check_finite(logits: NDArray[np.float32]) -> None:
    """Raise ``FloatingPointError`` if a model gave no numbers: labels chosen from these would look like an answer."""
    if not np.isfinite(logits).all():
        raise FloatingPointError("the model gave logits that are not finite")


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logarithms of the probabilities over the last axis."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def run_to_end(steps: Generator[None, None, T]) -> T:
    """Take every step at once, for callers with nothing else to do."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result


def label_sentences(pipeline: Pipeline, sentences: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    """Predicted IOB2 labels of sentences already split into words."""
    for words in sentences:
        yield run_to_end(pipeline.read_words(words, Timer())).labels
