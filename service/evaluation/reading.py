"""Converts labelled documents in any label scheme to IOB2 sentences, and reports every change."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from service.evaluation.conll import Document, LabelledDataError, Row, Sentence
from service.evaluation.data_schemes import (
    FAULTS,
    PREFIXES,
    SHOWN,
    WAYS_OUT,
    Part,
    UnknownLabel,
    convert,
    recognize,
    take_apart,
)

_LANGUAGE_PREFIX = re.compile(r"((?:[a-z]{2,3}(?:-[a-z]+)*|simple):)(?!//)")
"""As in WikiANN: sw:Nairobi."""

EMPTY, SPACED = "empty", "spaced"


class Rules(NamedTuple):
    """``scheme`` overrides the detected label scheme; ``strict`` rejects data that would need repairs."""

    scheme: str | None = None
    strict: bool = False


PLAIN = Rules()


@dataclass(frozen=True)
class Reading:
    """The sentences of each document, and the place where each entity type first occurs.

    ``notes`` report what was detected, converted, repaired and left out.
    """

    sentences: list[list[Sentence]]
    types: dict[str, str]
    notes: list[str]
    repaired: int
    left_out: int


class _Spot(NamedTuple):
    """A word in a row."""

    document: Document
    row: Row
    token: int

    def error(self, problem: str) -> LabelledDataError:
        return self.document.error(self.row, self.token, problem)

    @property
    def label(self) -> str:
        return self.row.labels[self.token]

    def __str__(self) -> str:
        return self.document.place(self.row, self.token)


@dataclass
class _Found:
    """Words with the same problem: the first one, and the count."""

    first: _Spot
    count: int = 0

    def __str__(self) -> str:
        return f"(first: {self.first})"


@dataclass
class _Reader:
    documents: Sequence[Document]
    rules: Rules
    notes: list[str] = field(default_factory=list)
    found: dict[str, _Found] = field(default_factory=dict)
    """By kind of problem."""

    def rows(self) -> Iterator[tuple[Document, Row]]:
        return ((document, row) for document in self.documents for row in document.rows)

    def note(self, kind: str, document: Document, row: Row, token: int) -> None:
        if kind not in self.found:
            self.found[kind] = _Found(_Spot(document, row, token))
        self.found[kind].count += 1

    def first_with(self, labels: Collection[str]) -> _Spot:
        """The first word with one of the labels; there must be one."""
        return next(
            _Spot(document, row, token)
            for document, row in self.rows()
            for token, label in enumerate(row.labels)
            if label in labels
        )

    def read(self) -> Reading:
        for document in self.documents:
            document.check()
        self._note_columns()
        counts: Counter[str] = Counter()
        for _, row in self.rows():
            counts.update(row.labels)
        try:
            parts, notes = take_apart(counts, self.rules.scheme)
        except UnknownLabel as error:
            raise self.first_with({error.label}).error(str(error)) from None
        self.notes += notes
        labels = [self._convert(document, row, parts) for document, row in self.rows()]
        repaired = self._settle_scheme(counts, parts, sum(label[0] == "B" for row in labels for label in row))
        sentences = self._clean(iter(labels))
        empty, spaced = self.found.get(EMPTY), self.found.get(SPACED)
        if empty:
            if self.rules.strict:
                raise empty.first.error("the token is empty; without strict reading it is left out")
            self.notes.append(f"left out: {_number(empty.count, 'empty token')} {empty}")
        if spaced:
            self.notes.append(f"{_number(spaced.count, 'token')} with white space inside split into words {spaced}")
        types: dict[str, str] = {}
        for document, row in self.rows():
            for label in set(row.labels):
                if (kind := parts[label].type) and kind not in types:
                    types[kind] = str(_Spot(document, row, list(row.labels).index(label)))
        return Reading(sentences, types, self.notes, repaired, empty.count if empty else 0)

    def _note_columns(self) -> None:
        names = defaultdict(list)
        for document in self.documents:
            for note in document.notes:
                names[note].append(document.name)
        for note, places in names.items():
            self.notes.append(f"{note}: {places[0]}" + (f" and {len(places) - 1:,} more" if places[1:] else ""))

    def _convert(self, document: Document, row: Row, parts: Mapping[str, Part]) -> list[str]:
        def fault(kind: str, token: int) -> None:
            self.note(kind, document, row, token)

        return convert([parts[label] for label in row.labels], fault)

    def _settle_scheme(self, counts: Counter[str], parts: Mapping[str, Part], entities: int) -> int:
        """Determine the label scheme; returns the number of labels that it does not allow where they are, which are
        repaired.
        """
        prefixes: Counter[str] = Counter()
        for label, count in counts.items():
            prefixes[parts[label].prefix] += count
        faults = Counter({kind: found.count for kind, found in self.found.items()})
        scheme = self.rules.scheme or recognize(prefixes, faults)
        shown = ", ".join(f"{prefixes[prefix]:,} {prefix}-" for prefix in "BIESLU" if prefixes[prefix])
        foreign = {label for label, part in parts.items() if part.prefix not in f"O{PREFIXES[scheme]}"}
        if foreign:
            label = self.first_with(foreign).label
            raise self.first_with(foreign).error(
                f"{SHOWN[scheme]} has no label {label[:40]!r} (the data has {shown}): {WAYS_OUT}"
            )
        wrong = [self.found[kind] for kind in FAULTS[scheme] if kind in self.found]
        repaired = sum(found.count for found in wrong)
        if wrong and self.rules.strict:
            spot = wrong[0].first
            raise spot.error(
                f"{_shown(spot)}, which {SHOWN[scheme]} does not allow; without strict reading it is repaired"
            )
        if not self.rules.scheme and 2 * repaired > entities:
            # If a single label of another scheme made many others look wrong, name that one.
            rare = {label for label, part in parts.items() if part.type and prefixes[part.prefix] * 10 < entities}
            spot = self.first_with(rare) if rare else wrong[0].first
            raise spot.error(
                f"{_shown(spot)}: the labels fit no scheme, {repaired:,} of {entities:,} entities do not even in"
                f" {SHOWN[scheme]} (the data has {shown}): {WAYS_OUT}"
            )
        if scheme != "iob2":
            self.notes.append(f"labels in {SHOWN[scheme]} converted to IOB2")
        if repaired:
            self.notes.append(f"repaired: {_number(repaired, 'label')} that {SHOWN[scheme]} does not allow {wrong[0]}")
        return repaired

    def _clean(self, labels: Iterator[list[str]]) -> list[list[Sentence]]:
        """The sentences of each document, without empty words and with words split at white space."""
        sentences, prefixes = [], set[str]()
        for document in self.documents:
            taken_off = _language_prefixes(document)
            prefixes |= taken_off
            cleaned = []
            for row in document.rows:
                words = [word.partition(":")[2] for word in row.words] if taken_off else row.words
                cleaned.append(self._sentence(document, row, words, next(labels)))
            sentences.append([sentence for sentence in cleaned if sentence.words])
        if prefixes:
            self.notes.append(f"language prefixes taken off the words: {', '.join(sorted(prefixes)[:5])}")
        return sentences

    def _sentence(self, document: Document, row: Row, words: Sequence[str], labels: list[str]) -> Sentence:
        if all(word.split() == [word] for word in words):
            return Sentence(row.language, list(words), labels)
        kept: list[tuple[str, str]] = []
        begins = False
        for token, (word, label) in enumerate(zip(words, labels, strict=True)):
            inside = f"I-{label[2:]}" if label != "O" else label
            if begins and label == inside != "O":
                label = f"B-{label[2:]}"
            parts = word.split()
            # If the first word of an entity is left out, the next one begins the entity.
            begins = not parts and label.startswith("B-")
            if len(parts) != 1:
                self.note(SPACED if parts else EMPTY, document, row, token)
            kept += zip(parts, [label, *[inside] * len(parts)], strict=False)
        return Sentence(row.language, [word for word, _ in kept], [label for _, label in kept])


def read(documents: Sequence[Document], rules: Rules = PLAIN) -> Reading:
    """Convert the labels of all documents, which must share one scheme, and clean their words. Raises
    ``LabelledDataError``.
    """
    return _Reader(documents, rules).read()


def _language_prefixes(document: Document) -> set[str]:
    """The language prefixes of a document; none unless every word has one."""
    prefixes = set()
    for row in document.rows:
        for word in row.words:
            match = _LANGUAGE_PREFIX.match(word)
            if not match:
                if word.strip():
                    return set()
                continue
            prefixes.add(match[1])
    return prefixes


def _shown(spot: _Spot) -> str:
    """A label and the one before it, for messages."""
    labels, place = spot.row.labels, spot.token
    return f"{labels[place][:40]!r} {f'follows {labels[place - 1][:40]!r}' if place else 'begins a sentence'}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count > 1 else ''}"
