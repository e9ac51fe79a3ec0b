"""Decodes logits into valid IOB2 labels and labels into entities."""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.ner.transitions import Transitions
from service.ner.words import WORDS_AT_ONCE


class EntitySpan(NamedTuple):
    """An entity over words ``first`` to ``last`` (inclusive)."""

    label: str
    first: int
    last: int


class LabelScheme:
    """An IOB2 label list with Viterbi decoding."""

    def __init__(self, labels: Sequence[str], transitions: Transitions | None = None):
        """Without ``transitions``, all valid transitions are equally likely.

        Raises ``ValueError`` unless the labels are O, B-TYPE and I-TYPE.
        """
        bad = [label for label in labels if label != "O" and (label[:2] not in ("B-", "I-") or len(label) < 3)]
        if bad or "O" not in labels:
            raise ValueError(f"not a list of IOB2 labels: {', '.join(bad) or 'no O'}")
        self.labels = list(labels)
        self.outside = self.labels.index("O")
        # I- may only follow B- or I- of the same type, and cannot be first.
        self._allowed = np.array(
            [[not after.startswith("I-") or before[2:] == after[2:] for after in labels] for before in labels]
        )
        types = np.array([label[2:] for label in labels])
        self._same_type = (types[:, None] == types[None, :]).astype(np.float64)
        self._first = np.array([not label.startswith("I-") for label in labels])
        self._weighted = transitions is not None and transitions.weight > 0
        first, following = np.zeros(len(labels)), np.zeros((len(labels), len(labels)))
        if transitions is not None:
            first = transitions.weight * np.array(transitions.first)
            following = transitions.weight * np.array(transitions.following)
        self._first_scores = np.where(self._first, first, -np.inf)
        self._following_scores = np.where(self._allowed, following, -np.inf)

    def certainly_outside(self, words: int) -> NDArray[np.float64]:
        """Log probabilities of shape (words, labels) with probability 1 for O."""
        log_probabilities = np.full((words, len(self.labels)), -np.inf)
        log_probabilities[:, self.outside] = 0.0
        return log_probabilities

    def is_valid(self, path: NDArray[np.intp]) -> bool:
        """Whether a non-empty path is valid IOB2."""
        return bool(self._first[path[0]] and self._allowed[path[:-1], path[1:]].all())

    def type_probabilities(self, log_probabilities: NDArray[np.float64], path: NDArray[np.intp]) -> NDArray[np.float64]:
        """For each word, the probability of the type of its label in ``path``: that of B- plus that of I-."""
        of_type = np.exp(log_probabilities) @ self._same_type
        return np.asarray(of_type[np.arange(len(path)), path])

    def best_path(self, log_probabilities: NDArray[np.float64]) -> Generator[None, None, NDArray[np.intp]]:
        """The best valid label sequence (Viterbi), from shape (words, labels) to (words,). Yields between steps.

        Without transitions, the most probable label of every word is returned at once if the sequence is valid.
        """
        path = log_probabilities.argmax(axis=-1)
        if len(path) == 0 or (not self._weighted and self.is_valid(path)):
            return np.asarray(path)
        best = log_probabilities[0] + self._first_scores
        came_from = np.empty(log_probabilities.shape, dtype=np.intp)
        candidates = np.empty_like(self._following_scores)
        for word in range(1, len(path)):
            np.add(best[:, None], self._following_scores, out=candidates)
            candidates.argmax(axis=0, out=came_from[word])
            best = candidates.max(axis=0) + log_probabilities[word]
            if word % WORDS_AT_ONCE == 0:
                yield
        path[-1] = label = int(best.argmax())
        for end in range(len(path), 1, -WORDS_AT_ONCE):
            if end < len(path):
                yield
            start = max(1, end - WORDS_AT_ONCE)
            labels = []
            # Indexing lists is faster than indexing arrays one element at a time.
            for row in reversed(came_from[start:end].tolist()):
                labels.append(label := row[label])
            path[start - 1 : end - 1] = labels[::-1]
        return np.asarray(path)


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
