"""From a label for each word to entities. Pure functions; positions are whatever unit the caller counts in."""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.transitions import Transitions
from service.words import WORDS_AT_ONCE


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

    def type_probabilities(self, log_probabilities: NDArray[np.float64], path: NDArray[np.intp]) -> NDArray[np.float64]:
        """For each word the probability that it is of the type of its label in ``path``, whether B- or I-."""
        of_type = np.exp(log_probabilities) @ self._same_type
        return np.asarray(of_type[np.arange(len(path)), path])

    def best_path(self, log_probabilities: NDArray[np.float64]) -> Generator[None, None, NDArray[np.intp]]:
        """The best valid sequence (Viterbi) by the model's scores and the transitions; yields between steps.

        Shape (words, labels) to (words,). Without transitions most sentences are done at once: the most probable label
        of every word is already valid.
        """
        greedy = log_probabilities.argmax(axis=-1)
        valid = len(greedy) == 0 or (self._first[greedy[0]] and self._allowed[greedy[:-1], greedy[1:]].all())
        if len(greedy) == 0 or (valid and not self._weighted):
            return np.asarray(greedy)
        best = log_probabilities[0] + self._first_scores
        came_from = np.empty(log_probabilities.shape, dtype=np.intp)
        candidates = np.empty_like(self._following_scores)
        for word in range(1, len(log_probabilities)):
            np.add(best[:, None], self._following_scores, out=candidates)
            candidates.argmax(axis=0, out=came_from[word])
            best = candidates.max(axis=0) + log_probabilities[word]
            if word % WORDS_AT_ONCE == 0:
                yield
        path = np.empty(len(greedy), dtype=np.intp)
        path[-1] = best.argmax()
        for word in range(len(path) - 1, 0, -1):
            path[word - 1] = came_from[word, path[word]]
            if word % WORDS_AT_ONCE == 0:
                yield
        return path


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
