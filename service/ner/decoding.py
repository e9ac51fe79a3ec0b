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

    def may_follow(self, path: NDArray[np.intp], begins: NDArray[np.intp]) -> NDArray[np.bool_]:
        """For each word whether its label may follow the one before; at ``begins`` sentences begin."""
        follows = np.empty(len(path), dtype=np.bool_)
        follows[1:] = self._allowed[path[:-1], path[1:]]
        follows[begins] = self._first[path[begins]]
        return follows

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
        if len(path) == 0 or (not self._weighted and self.may_follow(path, np.zeros(1, dtype=np.intp)).all()):
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

    def best_paths(
        self, log_probabilities: NDArray[np.float64], begins: NDArray[np.intp]
    ) -> Generator[None, None, NDArray[np.intp]]:
        """What ``best_path`` finds for each of many sentences, all a word further at a time: several times faster.

        Shape (words of all sentences, labels) to (words,); sentences, none of them empty, begin at ``begins``.
        """
        paths = log_probabilities.argmax(axis=-1)
        if not self._weighted:
            # The most probable label of every word is already valid, most often; then nothing is left to do.
            wrong = np.flatnonzero(~self.may_follow(paths, begins))
            numbers = np.unique(np.searchsorted(begins, wrong, side="right") - 1)
        else:
            numbers = np.arange(len(begins))
        if not len(numbers):
            return np.asarray(paths)
        lengths = np.diff(begins, append=len(paths))[numbers]
        # Long ones first, so that those not yet at their end are always the first so many.
        order = np.argsort(-lengths, kind="stable")
        lengths, starts = lengths[order], begins[numbers][order]
        most = int(lengths[0])
        under_way = np.searchsorted(-lengths, -np.arange(most), side="left")
        came_from = np.empty((most, len(starts), len(self.labels)), dtype=np.intp)
        best = log_probabilities[starts] + self._first_scores
        steps = 0
        for word in range(1, most):
            some = int(under_way[word])
            candidates = best[:some, :, None] + self._following_scores
            candidates.argmax(axis=1, out=came_from[word, :some])
            best[:some] = candidates.max(axis=1) + log_probabilities[starts[:some] + word]
            steps += some
            if steps >= WORDS_AT_ONCE:
                steps = 0
                yield
        labels = best.argmax(axis=-1)
        for word in range(most - 1, -1, -1):
            some = int(under_way[word])
            paths[starts[:some] + word] = labels[:some]
            labels[:some] = came_from[word, np.arange(some), labels[:some]] if word else labels[:some]
            steps += some
            if steps >= WORDS_AT_ONCE:
                steps = 0
                yield
        return np.asarray(paths)


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
