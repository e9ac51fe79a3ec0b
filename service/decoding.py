"""From a label for each word to entities. Pure functions; positions are whatever unit the caller counts in."""

from collections.abc import Sequence
from typing import NamedTuple


class EntitySpan(NamedTuple):
    """An entity over words ``first`` to ``last`` (inclusive)."""

    label: str
    first: int
    last: int


def to_iob2(labels: Sequence[str]) -> list[str]:
    """Make a predicted sequence valid IOB2: an I- that continues nothing begins its entity instead."""
    valid: list[str] = []
    previous = "O"
    for label in labels:
        if label.startswith("I-") and previous[2:] != label[2:]:
            label = "B-" + label[2:]
        valid.append(label)
        previous = label
    return valid


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
