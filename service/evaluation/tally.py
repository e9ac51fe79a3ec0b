"""Counts the entities of many sentences at once: for each of them what ``scoring.count`` finds.

Labels are numbers here, and all sentences stand in one array, so that an entity takes some bytes and not some objects.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint16]
"""The labels of all words of all sentences, as places in one list."""

WORDS_AT_ONCE = 8192
"""Words counted in one step, a fraction of a millisecond."""

BY = ("gold", "variant", "reference")
"""Who may have found an entity. In the ``finders`` of an entity, each of them is a bit."""

NOWHERE = -1


@dataclass(frozen=True)
class Entities:
    """Different entities of labelled sentences: in which sentence, of which type, and found by whom."""

    sentences: NDArray[np.int32]
    types: NDArray[np.uint16]
    finders: NDArray[np.uint8]


class Spans:
    """Finds where entities begin and end, strictly: an I- without its B- is no entity."""

    def __init__(self, labels: Sequence[str]):
        """``types`` are the entity types in ``labels``, in alphabetical order."""
        self.types = sorted({label[2:] for label in labels if label != "O"})
        self._begins = np.array([label.startswith("B-") for label in labels])
        self._goes_on = np.array(
            [[after.startswith("I-") and before[2:] == after[2:] for after in labels] for before in labels]
        )
        self.type_of = np.array([self.types.index(label[2:]) if label != "O" else 0 for label in labels], np.uint16)

    def ends(self, labels: Labels, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each word the place after the entity that begins there, or ``NOWHERE``; sentences begin at ``starts``."""
        goes_on = np.zeros(len(labels) + 1, dtype=np.bool_)
        goes_on[1:-1] = self._goes_on[labels[:-1], labels[1:]]
        goes_on[starts] = False
        stops = np.flatnonzero(~goes_on)
        begins = np.flatnonzero(self._begins[labels])
        ends = np.full(len(labels), NOWHERE, dtype=np.int64)
        ends[begins] = stops[np.searchsorted(stops, begins, side="right")]
        return ends


def count_entities(
    spans: Spans, bounds: NDArray[np.int64], labellings: Sequence[Labels]
) -> Generator[None, None, Entities]:
    """The entities that any of the ``labellings``, one for each of ``BY``, finds. Yields between steps.

    ``bounds`` are where the sentences begin, and where the last one ends.
    """
    sentences, types, finders = [], [], []
    first, last = 0, len(bounds) - 1
    while first < last:
        # At least one sentence, whatever its length.
        after = max(first + 1, int(np.searchsorted(bounds, bounds[first] + WORDS_AT_ONCE, side="right")) - 1)
        begin, end = bounds[first], bounds[after]
        parts = [labels[begin:end] for labels in labellings]
        ends = [spans.ends(part, bounds[first:after] - begin) for part in parts]
        for who, (part, mine) in enumerate(zip(parts, ends, strict=True)):
            same = [
                (other == mine) & (spans.type_of[theirs] == spans.type_of[part])
                for theirs, other in zip(parts, ends, strict=True)
            ]
            # An entity that someone before has found too is already there.
            words = np.flatnonzero((mine != NOWHERE) & ~np.logical_or.reduce(same[:who], initial=False))
            by = np.zeros(len(words), dtype=np.uint8)
            for bit in range(who, len(parts)):
                by |= same[bit][words].astype(np.uint8) << bit
            sentences.append(
                (first + np.searchsorted(bounds[first:after] - begin, words, side="right") - 1).astype(np.int32)
            )
            types.append(spans.type_of[part[words]])
            finders.append(by)
        first = after
        yield
    return Entities(np.concatenate(sentences), np.concatenate(types), np.concatenate(finders))
