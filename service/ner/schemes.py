"""Label schemes of models: detection, and conversion to and from IOB2, the scheme of all answers.

For those of data sets, see ``service.evaluation.data_schemes``.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

Scheme = Literal["IOB2", "IOB1", "IO", "BILOU", "IOBES"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)

_LABEL = re.compile(r"([BILUES])[-_](.+)|(.+)[-_]([BILUES])", re.IGNORECASE | re.DOTALL)
_PLACES = {"E": "L", "S": "U"}
"""IOBES has E and S for BILOU's L and U."""


NEAREST = {"O": "O", "B": "BIUL", "I": "IBLU", "U": "UBIL", "L": "LIBU"}
"""For each place of a word, the places whose labels may stand in for its own, closest first."""


class Mark(NamedTuple):
    """A parsed label: the ``place`` of a word in its entity (O, B, I, L or U), and the entity's type."""

    place: str
    type: str


OUTSIDE = Mark("O", "")


def take_apart(label: str) -> Mark | None:
    """Parse a label with a prefix or suffix in upper or lower case; None if it has neither."""
    if label.upper() == "O":
        return OUTSIDE
    found = _LABEL.fullmatch(label)
    if found is None:
        return None
    letter = (found[1] or found[4]).upper()
    return Mark(_PLACES.get(letter, letter), found[2] or found[3])


def marks_of(labels: Sequence[str], scheme: Scheme) -> list[Mark]:
    """Parse the labels of a scheme. Raises ``ValueError`` for a label that is not in the scheme."""
    places = {"IOB2": "OBI", "IOB1": "OBI", "IO": "OI"}.get(scheme, "OBILU")
    marks = []
    for label in labels:
        mark = take_apart(label)
        if mark is None and scheme == "IO":
            mark = Mark("I", label)
        if mark is None or mark.place not in places:
            raise ValueError(f"not a list of {scheme} labels: {label}")
        marks.append(mark)
    twice = sorted({label for label, mark in zip(labels, marks, strict=True) if marks.count(mark) > 1})
    if twice:
        raise ValueError(f"labels that mean the same: {', '.join(twice)}")
    if OUTSIDE not in marks:
        raise ValueError(f"not a list of {scheme} labels: no O")
    return marks


def scheme_of(labels: Sequence[str]) -> Scheme:
    """Detect the scheme of a list of labels. Raises ``ValueError`` if there is none.

    A type without B- means IOB1, which needs B- only between adjacent entities of one type. A list with B- and I- of
    every type fits both IOB1 and IOB2 and counts as IOB2; only a model's output could tell them apart.
    """
    taken = [take_apart(label) for label in labels]
    marks = [mark for mark in taken if mark is not None]
    found: Scheme
    if not any(mark != OUTSIDE for mark in marks):
        found = "IO"
    else:
        places = {mark.place for mark in marks} - {"O"}
        types = {place: {mark.type for mark in marks if mark.place == place} for place in "BI"}
        if places & {"L", "U"}:
            found = "IOBES" if any(re.match(r"[ES][-_]|.*[-_][ES]$", label, re.I) for label in labels) else "BILOU"
        elif "B" not in places:
            found = "IO"
        else:
            found = "IOB1" if types["I"] - types["B"] else "IOB2"
    if found == "IO" and len({mark is None for mark in taken if mark != OUTSIDE}) > 1:
        bare = [label for label, mark in zip(labels, taken, strict=True) if mark is None]
        raise ValueError(f"some labels have a prefix and some have none: {', '.join(bare)}")
    marks_of(labels, found)
    return found


def iob2_labels(labels: Sequence[str], scheme: Scheme) -> list[str]:
    """The IOB2 labels of answers; labels that are IOB2 already keep their order and are written as B-TYPE."""
    marks = marks_of(labels, scheme)
    if scheme == "IOB2":
        return ["O" if mark == OUTSIDE else f"{mark.place}-{mark.type}" for mark in marks]
    types = dict.fromkeys(mark.type for mark in marks if mark != OUTSIDE)
    return ["O", *(f"{place}-{name}" for name in types for place in "BI")]


def from_iob2(sentence: Sequence[str], labels: Sequence[str], scheme: Scheme) -> list[str]:
    """Convert a sentence's IOB2 labels to the model's ``labels``. Raises ``ValueError`` for a type that is missing."""
    names = dict(zip(marks_of(labels, scheme), labels, strict=True))
    converted = []
    for before, (label, after) in zip(["O", *sentence], pairwise([*sentence, "O"]), strict=False):
        place, name = (label[:1], label[2:]) if label != "O" else OUTSIDE
        if place == "B" and (scheme == "IO" or (scheme == "IOB1" and before[2:] != name)):
            place = "I"
        elif scheme in ("BILOU", "IOBES") and place in "BI" and after != f"I-{name}":
            place = {"B": "U", "I": "L"}[place]
        # A model may have only B- for a type, such as dates, or lack a mark that its own data did not need.
        found = next((names[Mark(some, name)] for some in NEAREST[place] if Mark(some, name) in names), None)
        if found is None:
            raise ValueError(f"no label for {label}")
        converted.append(found)
    return converted
