"""Label schemes of data sets: detection, and conversion to IOB2. For those of models, see ``service.ner.schemes``.

One conversion serves all schemes, because prefixes have the same meaning in each: B-, S- and U- begin an entity; I-, E-
and L- continue an open one or else begin one; E-, S-, L- and U- end it. The scheme only determines which labels are
invalid and therefore counted as repaired.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

PREFIXES = {"iob2": "BI", "iob1": "BI", "io": "I", "iobes": "BIES", "bilou": "BILU"}
SHOWN = {"iob2": "IOB2", "iob1": "IOB1", "io": "IO", "iobes": "IOBES", "bilou": "BILOU"}

STRAY, LONE, UNCLOSED = "stray", "lone", "unclosed"
FAULTS = {"iob2": [STRAY], "iob1": [LONE], "io": [LONE], "iobes": [STRAY, UNCLOSED], "bilou": [STRAY, UNCLOSED]}
"""Invalid labels: an I- that continues nothing; a B- that does not follow its own type; an entity without an end."""

_BEFORE = re.compile(r"([BIESLU])[-_](\S+)", re.IGNORECASE)
_AFTER = re.compile(r"(\S+)[-_]([BIESLU])", re.IGNORECASE)

WAYS_OUT = f"say which it is by --scheme ({', '.join(PREFIXES)}; over HTTP ?scheme=), or correct the labels"


class Part(NamedTuple):
    """The parts of a label, and the IOB2 labels that it may become. O has no type."""

    prefix: str
    type: str
    begin: str
    inside: str


OUTSIDE = Part("O", "", "O", "O")


class UnknownLabel(ValueError):
    """A label that fits no scheme, or not the same one as the others."""

    def __init__(self, label: str, problem: str):
        super().__init__(problem)
        self.label = label


def take_apart(labels: Mapping[str, int], scheme: str | None) -> tuple[dict[str, Part], list[str]]:
    """Parse labels, given with their counts; returns the parts of each and notes about their form.

    Raises ``UnknownLabel``.
    """
    inside = [label for label in labels if label not in ("O", "o")]
    before = [label for label in inside if _BEFORE.fullmatch(label)]
    after = [label for label in inside if _AFTER.fullmatch(label)]
    first = sum(labels[label] for label in before) >= sum(labels[label] for label in after)
    form, fitting = (_BEFORE, before) if first else (_AFTER, after)
    bare = scheme == "io" and not before and not after
    if bare:
        fitting = [label for label in inside if label.split() == [label]]
    unfit = sorted(set(inside).difference(fitting), key=lambda label: (labels[label], label))
    if unfit:
        raise UnknownLabel(
            unfit[0], f"unknown label {unfit[0][:40]!r}; expected O or {_expected(first, bool(fitting))}"
        )
    parts = {label: OUTSIDE for label in labels if label in ("O", "o")}
    lower = []
    for label in inside:
        found = form.fullmatch(label)
        prefix, kind = ("I", label) if bare or found is None else found.groups() if first else found.groups()[::-1]
        if prefix.islower():
            lower.append(label)
            kind = kind.upper() if label.islower() else kind
        parts[label] = Part(prefix.upper(), kind, f"B-{kind}", f"I-{kind}")
    notes = [] if first else ["labels with the type first (PER-B) read as B-PER"]
    if lower or "o" in labels:
        notes.append(f"labels in lower case ({lower[0] if lower else 'o'}) read in upper case")
    return parts, notes


def _expected(first: bool, others: bool) -> str:
    if others:
        place, example = ("before", "B-PER") if first else ("after", "PER-B")
        return f"a prefix {place} the type, as in {example} and the other labels"
    return (
        "a prefix and a type, as in B-PER (IOB2; IOB1, IO, IOBES and BILOU are converted). Types without prefixes"
        " are read with --scheme io"
    )


def convert(parts: Sequence[Part], fault: Callable[[str, int], None]) -> list[str]:
    """Convert the labels of one sentence to IOB2; calls ``fault(kind, place)`` for each label that some scheme
    forbids.
    """
    labels = []
    open_type = last_type = ""
    for place, (prefix, kind, begin, inside) in enumerate(parts):
        continues = prefix in "IEL" and open_type == kind
        if open_type and not continues:
            fault(UNCLOSED, place - 1)
        if prefix in "IEL" and not continues:
            fault(STRAY, place)
        if prefix == "B" and last_type != kind:
            fault(LONE, place)
        labels.append(inside if continues else begin)
        open_type = kind if prefix in "BI" else ""
        last_type = kind
    if open_type:
        fault(UNCLOSED, len(parts) - 1)
    return labels


def recognize(prefixes: Counter[str], faults: Counter[str]) -> str:
    """Detect the scheme of a data set from the counts of its prefixes and of the faults under each scheme."""
    ends = {"iobes": prefixes["E"] + prefixes["S"], "bilou": prefixes["L"] + prefixes["U"]}
    if any(ends.values()):
        return max(ends, key=lambda name: ends[name])
    if faults[STRAY] and not faults[LONE]:
        return "iob1" if prefixes["B"] else "io"
    return "iob2"
