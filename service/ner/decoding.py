"""From a label for each word to entities. Pure functions; positions are whatever unit the caller counts in."""

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
    """A label list in IOB2, and the best valid sequence under a model's scores."""

    def __init__(self, labels: Sequence[str], transitions: Transitions | None = None):
        """Without ``transitions`` every valid label is as likely after another as any.

        Raises ``ValueError`` if a label is neither O nor B- or I- with a type, or if there is no O.
        """
        bad = [label for label in labels if label != "O" and (label[:2] not in ("B-", "I-") or len(label) < 3)]
        if bad or "O" not in labels:
            raise ValueError(f"not a list of IOB2 labels: {', '.join(bad) or 'no O'}")
        self.labels = list(labels)
        self.outside = self.labels.index("O")
        # An I- may only follow its own B- or I-; nothing may begin with one.
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
        """Log-probabilities, of shape (words, labels), of words that are O without doubt."""
        log_probabilities = np.full((words, len(self.labels)), -np.inf)
        log_probabilities[:, self.outside] = 0.0
        return log_probabilities

    def is_valid(self, path: NDArray[np.intp]) -> bool:
        """Whether every label of a path that is not empty may follow the one before it."""
        return bool(self._first[path[0]] and self._allowed[path[:-1], path[1:]].all())

    def type_probabilities(self, log_probabilities: NDArray[np.float64], path: NDArray[np.intp]) -> NDArray[np.float64]:
        """For each word the probability that it is of the type of its label in ``path``, whether B- or I-."""
        of_type = np.exp(log_probabilities) @ self._same_type
        return np.asarray(of_type[np.arange(len(path)), path])

    def best_path(self, log_probabilities: NDArray[np.float64]) -> Generator[None, None, NDArray[np.intp]]:
        """A sentence's best valid labels by the model's scores and the transitions (Viterbi); yields between steps.

        Shape (words, labels) to (words,). Without transitions most sentences are done at once: the most probable label
        of every word is already valid.
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
            # Lists: one number at a time costs an array more than the step is worth.
            for row in reversed(came_from[start:end].tolist()):
                labels.append(label := row[label])
            path[start - 1 : end - 1] = labels[::-1]
        return np.asarray(path)


def entity_spans(labels: Sequence[str]) -> list[EntitySpan]:
    """The entities of a sequence, strictly by IOB2: an I- without its B- is no entity (seqeval: strict, IOB2)."""
    spans: list[EntitySpan] = []
    start: int | None = None
    for position, label in enumerate([*labels, "O"]):
        if start is not None and label != "I-" + labels[start][2:]:
            spans.append(EntitySpan(labels[start][2:], start, position - 1))
            start = None
        if label.startswith("B-"):
            start = position
    return spans
