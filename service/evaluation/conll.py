"""Labelled sentences and the CoNLL format: the one parser, writer and digest of the project."""

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LINE_END = re.compile(r"(?<!\r)\r*\n|\r")
"""Without the look-behind, a run of carriage returns would take quadratic time."""
_SPACES = re.compile(r"[ \t]+")
_COMMENT = re.compile(r"#\s+[\w.:-]+\s*=")
_KEYED = re.compile(r"#\s*[\w.:-]+\s*=")
_NUMBER = re.compile(r"([0-9]{1,9})([-.][0-9]{1,9})?")
_LIKE_A_LABEL = re.compile(r"[Oo]|[BIESLUbieslu][-_]\S+|\S+[-_][BIESLUbieslu]")
DOCUMENT_START = "-DOCSTART-"
MOST_COLUMNS = 500
LABEL_SHARE = 0.75
"""The labels are in the last column with this share of the label-like values of the column that has most."""

COUNTING_SHARE = 0.75
"""Share of a column's values that must be running numbers for it to count words; files may have ranges (8-9) and
gaps.
"""
LOOKED_AT = 10_000
"""Number of lines from which the number of columns is inferred."""


class Sentence(NamedTuple):
    """Words and their IOB2 labels, one per word, and the language (ISO 639-3, empty if unknown)."""

    language: str
    words: list[str]
    labels: list[str]


class LabelledDataError(ValueError):
    """Invalid labelled data. The message names the place and the problem, and says what to do."""

    def __init__(self, place: str, problem: str, details: dict[str, Any] | None = None):
        super().__init__(f"{place}: {problem}")
        self.details = details or {}


class Row(NamedTuple):
    """An unprocessed sentence in any label scheme; words may be empty. ``lines`` has the line of each word, if words
    are on lines of their own; ``line`` is that of the sentence.
    """

    language: str
    words: Sequence[str]
    labels: Sequence[str]
    lines: Sequence[int] | None
    line: int


@dataclass
class Document:
    """The unprocessed sentences of one file or request, with notes from parsing.

    ``where`` is the format of a place in messages; words without a line of their own are named by index.
    """

    name: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    where: str = "{name}, line {line}"

    def error(self, row: Row, token: int, problem: str) -> LabelledDataError:
        """An error that names one word of a row."""
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
    """Parse CoNLL text: words and labels in columns, sentences separated by blank lines.

    The word is in the first column that is not a running number, the label in the last column that is full of
    labels. In a line with tabs, only tabs separate columns. Byte-order marks, comments (``# text = …``) and
    ``-DOCSTART-`` lines are skipped, and any line ending is accepted. ``first_line`` is the number of the text's first
    line in its file. Raises ``LabelledDataError``.
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
                # Share one string among all words with the same label.
                [known.setdefault(columns[label], columns[label]) for _, columns in sentence],
                range(first, last + 1) if last - first == len(numbers) - 1 else numbers,
                first,
            )
        )
    return document


def _usual(lines: Sequence[str]) -> tuple[int, bool]:
    """The most frequent number of columns in the first lines, and whether tabs separate them."""
    widths: Counter[tuple[int, bool]] = Counter()
    for line in lines[:LOOKED_AT]:
        columns, tabs = _columns(line)
        if columns and columns[0] not in ("#", DOCUMENT_START):
            widths[len(columns), tabs] += 1
    return max(widths, key=lambda key: (widths[key], key), default=(2, False))


def _sentences(
    document: Document, lines: Sequence[str], first_line: int, usual: int, tabbed: bool
) -> Iterator[list[tuple[int, list[str]]]]:
    """The line number and columns of each word, by sentence."""
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
    """The columns of a line (none if it is blank), and whether tabs separate them. The first one may be empty."""
    columns = line.split(" ")
    if len(columns) > 1 and all(columns) and "\t" not in line:
        # Fast path for nearly every line.
        return columns, False
    if not line.strip().strip("\ufeff"):
        return [], False
    if "\t" in line:
        columns = [column.strip(" ") for column in line.split("\t")]
        return (columns if any(columns) else []), True
    return _SPACES.split(line.rstrip(" ")), False


def _fit(columns: list[str], usual: int) -> list[str]:
    """Drop the empty columns that indentation or trailing separators add."""
    end = len(columns)
    while end > max(usual, 2) and not columns[end - 1]:
        end -= 1
    columns = columns[:end]
    return columns[1:] if len(columns) == usual + 1 and not columns[0] else columns


def _is_comment(columns: list[str], tabs: bool, usual: int, tabbed: bool) -> bool:
    """Whether a line that starts with # is a comment. A line with the usual columns and a label is a word, such as # or
    a hashtag; ``# text = …`` is always a comment.
    """
    text = " ".join(columns)
    if _COMMENT.match(text):
        return True
    if (
        len(columns) == usual
        and tabs == tabbed
        and any(map(_LIKE_A_LABEL.fullmatch, columns[1:] if tabs else columns[-1:]))
    ):
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
    """The columns of words and labels; see ``parse_conll``."""
    running = [_Running() for _ in range(usual)]
    labels: Counter[int] = Counter()
    for sentence in _sentences(document, lines, first_line, usual, tabbed):
        for first, (_, columns) in enumerate(sentence):
            for place, value in enumerate(columns):
                running[place].see(value, not first)
            labels.update(place for place in range(1, usual) if _LIKE_A_LABEL.fullmatch(columns[place]))
    # A word of another column may look like a label: e-mail, U-20, o.
    most = max(labels.values(), default=0)
    label = max((place for place, count in labels.items() if count >= LABEL_SHARE * most), default=usual - 1)
    word = next((place for place in range(label) if not running[place].counts), 0)
    if word or label != usual - 1:
        document.notes.append(
            f"words in column {word + 1} of {usual}{f' (column {word} counts them)' if word else ''},"
            f" labels in column {label + 1}"
        )
    return word, label


@dataclass
class _Running:
    """Counts how many values of a column are running numbers, restarting with each sentence or not."""

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
    """Format sentences as CoNLL: one word and its label per line, a blank line after each sentence."""
    return "".join(
        "".join(f"{word} {label}\n" for word, label in zip(sentence.words, sentence.labels, strict=True)) + "\n"
        for sentence in sentences
    )


def parse_written(text: str, language: str) -> list[Sentence]:
    """Parse the output of ``to_conll``, which has no comments. Raises ``ValueError``."""
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
    """SHA-256 over all languages, words and labels, in order."""
    digest = hashlib.sha256()
    for sentence in sentences:
        digest.update(f"{sentence.language}\n{to_conll([sentence])}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
