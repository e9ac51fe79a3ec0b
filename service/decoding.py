"""From a label for each word to entities. Pure functions; positions are whatever unit the caller counts in."""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.words import WORDS_AT_ONCE


class EntitySpan(NamedTuple):
    """An entity over words ``first`` to ``last`` (inclusive)."""

    label: str
    first: int
    last: int


class LabelScheme:
    """A label list in IOB2, and the best valid sequence under a model's scores."""

    def __init__(self, labels: Sequence[str]):
        """Raises ``ValueError`` if a label is neither O nor B- or I- with a type, or if there is no O."""
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

    def type_probabilities(self, log_probabilities: NDArray[np.float64], path: NDArray[np.intp]) -> NDArray[np.float64]:
        """For each word the probability that it is of the type of its label in ``path``, whether B- or I-."""
        of_type = np.exp(log_probabilities) @ self._same_type
        return np.asarray(of_type[np.arange(len(path)), path])

    def best_path(self, log_probabilities: NDArray[np.float64]) -> Generator[None, None, NDArray[np.intp]]:
        """The most probable valid sequence (Viterbi); shape (words, labels) to (words,). Yields between steps.

        Most often the most probable label of every word is already valid, and then nothing is left to do.
        """
        greedy = log_probabilities.argmax(axis=-1)
        if len(greedy) == 0 or (self._first[greedy[0]] and self._allowed[greedy[:-1], greedy[1:]].all()):
            return np.asarray(greedy)
        penalty = np.where(self._allowed, 0.0, -np.inf)
        best = log_probabilities[0] + np.where(self._first, 0.0, -np.inf)
        columns = np.arange(len(self.labels))
        came_from = np.empty(log_probabilities.shape, dtype=np.intp)
        for word in range(1, len(log_probabilities)):
            candidates = best[:, None] + penalty
            came_from[word] = candidates.argmax(axis=0)
            best = candidates[came_from[word], columns] + log_probabilities[word]
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
