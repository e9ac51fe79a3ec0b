"""Texts to send: sentences of CoNLL files, or lines of a text file."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.errors import LoadTestError

LONG_CHARACTERS = 10_000
LONG_DOCUMENTS = 4


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
    """The sentences of a folder (``*.conll`` or ``*/test.txt``) or ``.conll`` file, or the lines of a text file.

    Raises ``LoadTestError`` if the source does not exist or is not UTF-8.
    """
    if source.is_dir():
        files = sorted(source.glob("*.conll")) or sorted(source.glob("*/test.txt"))
        if not files:
            raise LoadTestError(f"{source} has no *.conll and no <language>/test.txt: pass other --texts.")
        for file in files:
            yield from _sentences(_lines(file))
    elif source.suffix == ".conll":
        yield from _sentences(_lines(source))
    else:
        yield from (line.strip() for line in _lines(source) if line.strip())


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise LoadTestError(f"{file} cannot be read: {error.strerror}. Pass a file or folder with --texts.") from error
    except UnicodeDecodeError as error:
        raise LoadTestError(f"{file} is not UTF-8 (byte {error.start}).") from error


def _sentences(lines: Sequence[str]) -> Iterator[str]:
    words: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            words.append(line.split()[0])
        elif words:
            yield " ".join(words)
            words = []


def _long_document(sentences: Sequence[str], chance: random.Random) -> str:
    parts: list[str] = []
    length = 0
    while length < LONG_CHARACTERS:
        parts.append(chance.choice(sentences))
        length += len(parts[-1]) + 1
    return " ".join(parts)[:LONG_CHARACTERS]
