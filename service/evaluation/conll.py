"""Labelled sentences and their text form, CoNLL columns: read, written and identified in one way everywhere."""

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

_LABEL = re.compile(r"O|[BI]-.+")
_COLUMNS = re.compile(r"[ \t]+")


class Sentence(NamedTuple):
    """Words and their IOB2 labels, one for each word, in a language (ISO 639-3; empty if nobody said)."""

    language: str
    words: list[str]
    labels: list[str]


class ConllError(ValueError):
    """What is wrong in a CoNLL text, and in which line, counted from 1."""

    def __init__(self, line: int, problem: str):
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


def parse_conll(text: str, language: str, strict: bool = False) -> list[Sentence]:
    """Read a CoNLL text: the word in the first column, its label in the last, blank lines between sentences.

    A byte-order mark, CRLF and tabs are taken. ``strict`` refuses an I- that follows no B- or I- of its type, which
    data sets have by mistake and IOB1 has by rule. Raises ``ConllError``.
    """
    sentences: list[Sentence] = []
    words: list[str] = []
    labels: list[str] = []
    known: dict[str, str] = {}
    for number, raw in enumerate((text.removeprefix("\ufeff") + "\n\n").split("\n"), 1):
        line = raw.strip(" \t\r")
        columns = _COLUMNS.split(line)
        if columns == [""]:
            if words:
                sentences.append(Sentence(language, words, labels))
            words, labels = [], []
        elif columns[0] == "-DOCSTART-":
            continue
        elif len(columns) == 1:
            raise ConllError(number, f"{line[:40]!r} has one column; expected a word and its label")
        elif columns[-1] not in known and not _LABEL.fullmatch(columns[-1]):
            raise ConllError(number, f"unknown label {columns[-1][:40]!r}; expected O, B-TYPE or I-TYPE (IOB2)")
        else:
            if strict and begins_inside(columns[-1], labels[-1] if labels else "O"):
                raise ConllError(number, not_iob2(columns[-1], labels[-1] if labels else None))
            words.append(columns[0])
            # One string for each label, not one for each word.
            labels.append(known.setdefault(columns[-1], columns[-1]))
    return sentences


def begins_inside(label: str, previous: str) -> bool:
    """Whether a label is an I- that continues nothing, which IOB2 has not."""
    return label.startswith("I-") and previous[2:] != label[2:]


def not_iob2(label: str, previous: str | None) -> str:
    """What to say of such a label."""
    where = f"follows {previous[:40]!r}" if previous is not None else "begins a sentence"
    return f"{label[:40]!r} {where}; in IOB2 every entity begins with B- (is this IOB1, or a mixture?)"


def to_conll(sentences: Iterable[Sentence]) -> str:
    """Sentences as CoNLL text: a word and its label on a line, a blank line after each sentence."""
    return "".join(
        "".join(f"{word} {label}\n" for word, label in zip(sentence.words, sentence.labels, strict=True)) + "\n"
        for sentence in sentences
    )


def digest_of_sentences(sentences: Iterable[Sentence]) -> str:
    """SHA-256 over every language, word and label, in order."""
    digest = hashlib.sha256()
    for sentence in sentences:
        digest.update(f"{sentence.language}\n{to_conll([sentence])}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
