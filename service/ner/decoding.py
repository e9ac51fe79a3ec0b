"""Decodes logits into valid IOB2 labels and labels into entities."""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.ner.schemes import OUTSIDE, Mark, Scheme, iob2_labels, marks_of
from service.ner.transitions import Transitions
from service.ner.words import WORDS_AT_ONCE


class EntitySpan(NamedTuple):
    """An entity over words ``first`` to ``last`` (inclusive)."""

    label: str
    first: int
    last: int


class LabelScheme:
    """A model's labels in its scheme; finds the best valid sequence and returns it in IOB2."""

    def __init__(self, labels: Sequence[str], transitions: Transitions | None = None, scheme: Scheme = "IOB2"):
        """``labels`` are the labels of the model's head, in order. Paths are indices into ``self.labels``, which are
        IOB2.

        Without ``transitions``, all valid transitions are equally likely. Raises ``ValueError`` if a label is not in
        the scheme, or if there is no O.
        """
        marks = marks_of(labels, scheme)
        self.labels = iob2_labels(labels, scheme)
        self._outside = marks.index(OUTSIDE)
        self._allowed, self._first, self._last = _valid(marks, scheme)
        types, iob2_types = np.array([mark.type for mark in marks]), np.array([label[2:] for label in self.labels])
        self._same_type = (types[:, None] == iob2_types[None, :]).astype(np.float64)
        self._weighted = transitions is not None and transitions.weight > 0
        first, following = np.zeros(len(labels)), np.zeros((len(labels), len(labels)))
        if transitions is not None:
            first = transitions.weight * np.array(transitions.first)
            following = transitions.weight * np.array(transitions.following)
        self._first_scores = np.where(self._first, first, -np.inf)
        self._following_scores = np.where(self._allowed, following, -np.inf)
        self._last_scores = np.where(self._last, 0.0, -np.inf)
        self._iob2 = None if scheme == "IOB2" else _iob2_tables(marks, self.labels)

    def certainly_outside(self, words: int) -> NDArray[np.float64]:
        """Log probabilities of shape (words, labels) for words that are certainly O."""
        log_probabilities = np.full((words, len(self._same_type)), -np.inf)
        log_probabilities[:, self._outside] = 0.0
        return log_probabilities

    def is_valid(self, path: NDArray[np.intp]) -> bool:
        """Whether a non-empty path is valid in the model's scheme."""
        return bool(self._first[path[0]] and self._allowed[path[:-1], path[1:]].all() and self._last[path[-1]])

    def _in_iob2(self, path: NDArray[np.intp]) -> NDArray[np.intp]:
        """Convert a valid path of the model's labels to indices into ``self.labels``."""
        if self._iob2 is None:
            return path
        continues, beginning, inside = self._iob2
        goes_on = np.append(False, continues[path[:-1], path[1:]])
        return np.where(goes_on, inside[path], beginning[path])

    def type_probabilities(self, log_probabilities: NDArray[np.float64], path: NDArray[np.intp]) -> NDArray[np.float64]:
        """For each word, the probability of its entity type in ``path``: the sum over all labels of that type."""
        of_type = np.exp(log_probabilities) @ self._same_type
        return np.asarray(of_type[np.arange(len(path)), path])

    def best_path(self, log_probabilities: NDArray[np.float64]) -> Generator[None, None, NDArray[np.intp]]:
        """The best valid label sequence (Viterbi), from shape (words, labels) to (words,). Yields between steps.

        Without transitions, the most probable label of every word is returned at once if the sequence is valid.
        """
        path = np.asarray(log_probabilities.argmax(axis=-1))
        if len(path) == 0:
            return path
        if not self._weighted and self.is_valid(path):
            return self._in_iob2(path)
        best = log_probabilities[0] + self._first_scores
        came_from = np.empty(log_probabilities.shape, dtype=np.intp)
        candidates = np.empty_like(self._following_scores)
        for word in range(1, len(path)):
            np.add(best[:, None], self._following_scores, out=candidates)
            candidates.argmax(axis=0, out=came_from[word])
            best = candidates.max(axis=0) + log_probabilities[word]
            if word % WORDS_AT_ONCE == 0:
                yield
        path[-1] = label = int((best + self._last_scores).argmax())
        for end in range(len(path), 1, -WORDS_AT_ONCE):
            if end < len(path):
                yield
            start = max(1, end - WORDS_AT_ONCE)
            labels = []
            # Indexing lists is faster than indexing arrays one element at a time.
            for row in reversed(came_from[start:end].tolist()):
                labels.append(label := row[label])
            path[start - 1 : end - 1] = labels[::-1]
        return self._in_iob2(path)


def _valid(marks: Sequence[Mark], scheme: Scheme) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Which labels may follow each other, start a sentence, and end a sentence."""
    closed = scheme in ("BILOU", "IOBES")
    if scheme in ("IO", "IOB1"):
        return np.ones((len(marks), len(marks)), np.bool_), np.ones(len(marks), np.bool_), np.ones(len(marks), np.bool_)
    # I- and L- continue an entity of the same type; in schemes with end labels, an open entity must be continued.
    inner = np.array([mark.place in "IL" for mark in marks])
    open_ended = np.array([mark.place in "BI" for mark in marks])
    types = np.array([mark.type for mark in marks])
    goes_on = open_ended[:, None] & inner[None, :] & (types[:, None] == types[None, :])
    begins = ~inner[None, :] & ~(closed & open_ended)[:, None]
    return goes_on | begins, ~inner, ~(closed & open_ended)


def _iob2_tables(
    marks: Sequence[Mark], labels: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.intp], NDArray[np.intp]]:
    """Which label continues the entity of which other, and the IOB2 index of each label at the start of an entity and
    inside.
    """
    inner = np.array([mark.place in "IL" for mark in marks])
    types = np.array([mark.type for mark in marks])
    places = {label: place for place, label in enumerate(labels)}
    beginning, inside = (
        np.array([places[f"{letter}-{mark.type}" if mark.type else "O"] for mark in marks], dtype=np.intp)
        for letter in "BI"
    )
    return inner[None, :] & (types[:, None] == types[None, :]), beginning, inside


def drop_entities(labels: Sequence[str], kept: Sequence[bool]) -> list[str]:
    """The IOB2 labels with O for the words of entities that are not ``kept``, which has a flag for each B-."""
    flags = iter(kept)
    left, keep = [], True
    for label in labels:
        keep = next(flags) if label.startswith("B-") else keep
        left.append(label if keep else "O")
    return left


def entity_spans(labels: Sequence[str]) -> list[EntitySpan]:
    """The entities of a label sequence in strict IOB2, as in seqeval: an I- without its B- is not an entity."""
    spans: list[EntitySpan] = []
    start: int | None = None
    for position, label in enumerate([*labels, "O"]):
        if start is not None and label != "I-" + labels[start][2:]:
            spans.append(EntitySpan(labels[start][2:], start, position - 1))
            start = None
        if label.startswith("B-"):
            start = position
    return spans
