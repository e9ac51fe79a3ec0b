"""Texts to send: sentences of CoNLL files, or lines of a text file."""

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.errors import LoadTestError

LONG_CHARACTERS = 10_000
LONG_DOCUMENTS = 4

LINE_END = re.compile(r"(?<!\r)\r*\n|\r")
SPACES = re.compile(r" +")
LABEL = re.compile(r"[Oo]|[BIESLUbieslu]-.+|.+-[BIESLU]")
COMMENT = re.compile(r"#\s*[\w.:-]+\s*=|#( [^ \t]+){2,}$")
LANGUAGE_PREFIX = re.compile(r"([a-z]{2,3}(-[a-z]+)*|simple):(?!//)")

LABELLED_SHARE = 0.95
"""Of the lines of CoNLL columns that have a label where the others have it; a text has next to none."""


@dataclass(frozen=True)
class Documents:
    """The documents of a run; the last ``long`` of them are long."""

    source: str
    texts: tuple[str, ...]
    long: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 over the documents."""
        return hashlib.sha256("\0".join(self.texts).encode()).hexdigest()


# Suffixes of data files; a folder may also contain others, such as notes.
ENDINGS = (".conll", ".bio", ".iob", ".iob2", ".tsv", ".txt", ".jsonl")


def draw(source: Path, count: int, seed: int, with_long: bool) -> Documents:
    """Draw ``count`` random sentences from ``source`` and, if asked for, join some into long documents.

    Raises ``LoadTestError`` if ``source`` cannot be read or has no text.
    """
    sentences = list(read_texts(source))
    if not sentences:
        raise LoadTestError(f"{source} has no text: pass a text file, a CoNLL file or a folder of them with --texts.")
    chance = random.Random(seed)
    chosen = chance.sample(sentences, min(count, len(sentences)))
    long = [_long_document(sentences, chance) for _ in range(LONG_DOCUMENTS)] if with_long else []
    return Documents(str(source), tuple(chosen + long), len(long))


def read_texts(source: Path) -> Iterator[str]:
    """The texts of a file, or of the test files of a folder; see ``texts_of``.

    Raises ``LoadTestError`` if the source does not exist or is not UTF-8.
    """
    files = [source]
    if source.is_dir():
        found = [sorted(source.glob(name)) for name in ("test.*", "*.conll", "*/test.*")]
        known = [[path for path in paths if path.suffix in ENDINGS] for paths in found]
        only = [path for path in (*source.glob("*"), *source.glob("*/*")) if path.suffix in ENDINGS]
        files = next(filter(None, [*known, only if len(only) == 1 else [], *found]), [])
        if not files:
            raise LoadTestError(f"{source} has no *.conll, test.* or <language>/test.*: pass other --texts.")
    for file in files:
        yield from texts_of(file, _read(file))


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise LoadTestError(f"{file} cannot be read: {error.strerror}. Pass a file or folder with --texts.") from error
    except UnicodeDecodeError as error:
        raise LoadTestError(f"{file} is not UTF-8 (byte {error.start}).") from error


def texts_of(file: Path, text: str) -> list[str]:
    """The sentences of labelled data, which is recognized by what is in the file, or else its lines.

    Lines of JSON have ``tokens`` or a ``text``; of CoNLL columns nearly every line has a label in one of them.
    """
    lines = LINE_END.split(text)
    if file.suffix == ".jsonl":
        return [text for number, line in enumerate(lines, 1) if line.strip() and (text := _of_json(file, number, line))]
    sentences = list(_sentences(lines))
    rows = [row for sentence in sentences for row in sentence]
    labelled = Counter(place for row in rows for place, value in enumerate(row[1:], 1) if LABEL.fullmatch(value))
    label, count = max(labelled.items(), key=lambda item: item[1], default=(0, 0))
    if count < LABELLED_SHARE * len(rows) or not rows:
        return [line.strip() for line in lines if line.strip()]
    place = next((place for place in range(label) if not _counts(sentences, place)), 0)
    words = [[row[place] for row in sentence if row[place:]] for sentence in sentences]
    if all(LANGUAGE_PREFIX.match(word) for sentence in words for word in sentence):
        words = [[word.partition(":")[2] for word in sentence] for sentence in words]
    return [joined for sentence in words if (joined := " ".join(filter(None, sentence)))]


def _of_json(file: Path, number: int, line: str) -> str:
    try:
        row = json.loads(line)
        return str(row["text"]) if "text" in row else " ".join(row["tokens"])
    except (ValueError, TypeError, KeyError) as error:
        raise LoadTestError(f"{file}, line {number}: no JSON with tokens or a text.") from error


def _sentences(lines: Sequence[str]) -> Iterator[list[list[str]]]:
    """The columns of each line up to a blank one; tabs alone separate them where there are any."""
    sentence: list[list[str]] = []
    for line in [*lines, ""]:
        if not line.strip() or "-DOCSTART-" in line:
            if sentence:
                yield sentence
            sentence = []
        elif not COMMENT.match(line):
            columns = line.split("\t") if "\t" in line else SPACES.split(line.rstrip())
            sentence.append([column.strip() for column in columns])


def _counts(sentences: Sequence[Sequence[Sequence[str]]], place: int) -> bool:
    """Whether this column is a running number."""
    return all(
        row[place].isdecimal() and (not number or int(row[place]) == int(sentence[number - 1][place]) + 1)
        for sentence in sentences
        for number, row in enumerate(sentence)
        if row[place:]
    )


def _long_document(sentences: Sequence[str], chance: random.Random) -> str:
    parts: list[str] = []
    length = 0
    while length < LONG_CHARACTERS:
        parts.append(chance.choice(sentences))
        length += len(parts[-1]) + 1
    return " ".join(parts)[:LONG_CHARACTERS]
