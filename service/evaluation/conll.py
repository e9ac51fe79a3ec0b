"""Labelled sentences and their text form, CoNLL columns: parsed, written and identified in one way everywhere."""

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LINE_END = re.compile(r"(?<!\r)\r*\n|\r")
"""The look-behind keeps a run of carriage returns linear."""
_SPACES = re.compile(r"[ \t]+")
_COMMENT = re.compile(r"#\s+[\w.:-]+\s*=")
_KEYED = re.compile(r"#\s*[\w.:-]+\s*=")
_NUMBER = re.compile(r"([0-9]{1,9})([-.][0-9]{1,9})?")
_LIKE_A_LABEL = re.compile(r"[Oo]|[BIESLUbieslu]-\S+|\S+-[BIESLUbieslu]")
DOCUMENT_START = "-DOCSTART-"
MOST_COLUMNS = 500
COUNTING_SHARE = 0.75
"""Of the values of a column of running numbers; some lines are ranges (8-9) or were left out."""
LOOKED_AT = 10_000
"""Lines that say how many columns a text has."""


class Sentence(NamedTuple):
    """Words and their IOB2 labels, one for each word, in a language (ISO 639-3; empty if nobody said)."""

    language: str
    words: list[str]
    labels: list[str]


class LabelledDataError(ValueError):
    """Labelled data that cannot be used: where, what is wrong, and what to do."""

    def __init__(self, place: str, problem: str, details: dict[str, Any] | None = None):
        super().__init__(f"{place}: {problem}")
        self.details = details or {}


class Row(NamedTuple):
    """A sentence as it was found: any label scheme, perhaps empty words. ``lines`` are those of its words, if each
    has its own; otherwise ``line`` is that of the sentence."""

    language: str
    words: Sequence[str]
    labels: Sequence[str]
    lines: Sequence[int] | None
    line: int


@dataclass
class Document:
    """The sentences of one file or request before their labels are understood, and what was noticed on the way.

    ``where`` is how a place is named; words without lines of their own are named by their number, from 0.
    """

    name: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    where: str = "{name}, line {line}"

    def error(self, row: Row, token: int, problem: str) -> LabelledDataError:
        """An error about one word of a row."""
        details = {"line": row.lines[token]} if row.lines else {"sentence": row.line, "token": token}
        return LabelledDataError(self.place(row, token), problem, details)

    def place(self, row: Row, token: int) -> str:
        if row.lines:
            return self.where.format(name=self.name, line=row.lines[token])
        return f"{self.where.format(name=self.name, line=row.line)}, token {token}"

    def check(self) -> None:
        """Raise ``LabelledDataError`` unless every word has a label."""
        for row in self.rows:
            words, labels = len(row.words), len(row.labels)
            if words != labels:
                raise LabelledDataError(
                    self.where.format(name=self.name, line=row.line),
                    f"{words} tokens and {labels} labels; there must be one label for each token",
                    {"sentence": row.line, "tokens": words, "labels": labels},
                )


def parse_conll(name: str, language: str, text: str, first_line: int = 1) -> Document:
    """Read a CoNLL text: words and labels in columns, blank lines between sentences.

    The word is in the first column that does not count the words, the label in the last one that holds labels. Tabs
    alone separate the columns of a line that has any. A byte-order mark, any line ends, comments (``# text = …``) and
    ``-DOCSTART-`` are no words. ``first_line`` is the number of the text's first line in its file. Raises
    ``LabelledDataError``.
    """
    document = Document(name, [])
    lines = LINE_END.split(text.removeprefix("\ufeff"))
    for number, line in enumerate(lines, first_line):
        if line.count(" ") + line.count("\t") > MOST_COLUMNS:
            problem = f"more than {MOST_COLUMNS} columns; expected a word and its label, as in: Nairobi B-LOC"
            raise LabelledDataError(f"{name}, line {number}", problem, {"line": number})
    usual, tabbed = _usual(lines)
    word, label = _find_columns(document, lines, first_line, usual, tabbed) if usual > 2 else (0, 1)
    known: dict[str, str] = {}
    for sentence in _sentences(document, lines, first_line, usual, tabbed):
        numbers = [number for number, _ in sentence]
        first, last = numbers[0], numbers[-1]
        document.rows.append(
            Row(
                language,
                [columns[word] for _, columns in sentence],
                # One string for each label, not one for each word.
                [known.setdefault(columns[label], columns[label]) for _, columns in sentence],
                range(first, last + 1) if last - first == len(numbers) - 1 else numbers,
                first,
            )
        )
    return document


def _usual(lines: Sequence[str]) -> tuple[int, bool]:
    """How many columns most lines have, and whether tabs separate them: by the first lines, a text may be long."""
    widths: Counter[tuple[int, bool]] = Counter()
    for line in lines[:LOOKED_AT]:
        columns, tabs = _columns(line)
        if columns and columns[0] not in ("#", DOCUMENT_START):
            widths[len(columns), tabs] += 1
    return max(widths, key=lambda key: (widths[key], key), default=(2, False))


def _sentences(
    document: Document, lines: Sequence[str], first_line: int, usual: int, tabbed: bool
) -> Iterator[list[tuple[int, list[str]]]]:
    """The columns of the words of each sentence, with their lines."""
    sentence: list[tuple[int, list[str]]] = []
    for number, line in enumerate(lines, first_line):
        columns, tabs = _columns(line)
        if not columns or (DOCUMENT_START in line and DOCUMENT_START in columns[:2]):
            if sentence:
                yield sentence
                sentence = []
            continue
        if len(columns) > usual:
            columns = _fit(columns, usual)
        if columns[0].startswith("#") and _is_comment(columns, tabs, usual, tabbed):
            continue
        if len(columns) != usual or usual == 1:
            raise _ragged(document, number, columns, usual)
        sentence.append((number, columns))
    if sentence:
        yield sentence


def _columns(line: str) -> tuple[list[str], bool]:
    """The columns of a line, none if it is blank, and whether tabs separate them. A first one may be empty."""
    columns = line.split(" ")
    if len(columns) > 1 and all(columns) and "\t" not in line:
        # Nearly every line.
        return columns, False
    if not line.strip().strip("\ufeff"):
        return [], False
    if "\t" in line:
        columns = [column.strip(" ") for column in line.split("\t")]
        return (columns if any(columns) else []), True
    return _SPACES.split(line.rstrip(" ")), False


def _fit(columns: list[str], usual: int) -> list[str]:
    """Without what indenting a line or a separator at its end adds."""
    end = len(columns)
    while end > max(usual, 2) and not columns[end - 1]:
        end -= 1
    columns = columns[:end]
    return columns[1:] if len(columns) == usual + 1 and not columns[0] else columns


def _is_comment(columns: list[str], tabs: bool, usual: int, tabbed: bool) -> bool:
    """Whether a line that begins with # is no word. A line like the others, with a label, is one: # and hashtags are
    words. ``# text = …`` is a comment whatever it ends in.
    """
    text = " ".join(columns)
    if _COMMENT.match(text):
        return True
    if len(columns) == usual and tabs == tabbed and _LIKE_A_LABEL.fullmatch(columns[-1]):
        return False
    return columns[0] == "#" or bool(_KEYED.match(text))


def _ragged(document: Document, number: int, columns: list[str], usual: int) -> LabelledDataError:
    shown = " ".join(columns)[:40]
    if len(columns) == 1:
        problem = f"{shown!r} has one column; expected a word and its label, as in: Nairobi B-LOC"
    else:
        problem = (
            f"{shown!r} has {len(columns)} columns where the others have {usual}: if a word has a space in it, separate"
            " the columns by tabs"
        )
    return LabelledDataError(f"{document.name}, line {number}", problem, {"line": number})


def _find_columns(
    document: Document, lines: Sequence[str], first_line: int, usual: int, tabbed: bool
) -> tuple[int, int]:
    """Where words and labels are: see ``parse_conll``."""
    running = [_Running() for _ in range(usual)]
    labels: set[int] = set()
    for sentence in _sentences(document, lines, first_line, usual, tabbed):
        for first, (_, columns) in enumerate(sentence):
            for place, value in enumerate(columns):
                running[place].see(value, not first)
            labels.update(place for place in range(1, usual) if _LIKE_A_LABEL.fullmatch(columns[place]))
    label = max(labels, default=usual - 1)
    word = next((place for place in range(label) if not running[place].counts), 0)
    if word or label != usual - 1:
        document.notes.append(
            f"words in column {word + 1} of {usual}{f' (column {word} counts them)' if word else ''},"
            f" labels in column {label + 1}"
        )
    return word, label


@dataclass
class _Running:
    """Whether most values of a column are running numbers, of each sentence or throughout."""

    seen: int = 0
    fit: int = 0
    previous: int = -2

    @property
    def counts(self) -> bool:
        return self.fit >= COUNTING_SHARE * self.seen

    def see(self, value: str, first: bool) -> None:
        number = _NUMBER.fullmatch(value)
        place = int(number[1]) if number else -2
        self.seen += 1
        self.fit += number is not None and (place - self.previous in (0, 1) or (first and place in (0, 1)))
        self.previous = place


def to_conll(sentences: Iterable[Sentence]) -> str:
    """Sentences as CoNLL text: a word and its label on a line, a blank line after each sentence."""
    return "".join(
        "".join(f"{word} {label}\n" for word, label in zip(sentence.words, sentence.labels, strict=True)) + "\n"
        for sentence in sentences
    )


def parse_written(text: str, language: str) -> list[Sentence]:
    """Read back what ``to_conll`` wrote: nothing in it is a comment. Raises ``ValueError``."""
    sentences: list[Sentence] = []
    words: list[str] = []
    labels: list[str] = []
    for number, line in enumerate(f"{text}\n".split("\n"), 1):
        word, _, label = line.rpartition(" ")
        if word and label:
            words.append(word)
            labels.append(sys.intern(label))
        elif line:
            raise ValueError(f"line {number}: {line[:40]!r} is not a word and its label")
        elif words:
            sentences.append(Sentence(language, words, labels))
            words, labels = [], []
    return sentences


def digest_of_sentences(sentences: Iterable[Sentence]) -> str:
    """SHA-256 over every language, word and label, in order."""
    digest = hashlib.sha256()
    for sentence in sentences:
        digest.update(f"{sentence.language}\n{to_conll([sentence])}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
