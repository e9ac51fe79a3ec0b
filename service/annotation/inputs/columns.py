"""Reads CoNLL files in blocks, using the parser of ``service.evaluation``."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from service.annotation.errors import InputError, Problem
from service.annotation.inputs.encodings import decode
from service.evaluation.conll import DOCUMENT_START, LabelledDataError, parse_conll
from service.evaluation.reading import read

SUFFIXES = (".conll", ".bio", ".iob", ".iob2", ".tsv")

BLOCK_BYTES = 1024 * 1024
_ONE_COLUMN = re.compile(r"^(?!#\s|\s)(\S+)[ \t]*$", re.MULTILINE)


def read_conll(file: BinaryIO, name: str, most_bytes: int) -> Iterator[tuple[list[str], int]]:
    """The words of each sentence, and the bytes read for it; labels are ignored.

    Raises ``InputError``.
    """
    notes: list[str] | None = None
    for first, block in _blocks(file, most_bytes):
        try:
            text = decode(block)
            if notes is None:
                bare = _is_bare(text)
            document = parse_conll(name, "", _ONE_COLUMN.sub(r"\1\tO", text) if bare else text, first)
            document.rows = [row._replace(labels=["O"] * len(row.words)) for row in document.rows]
            if notes is None:
                notes = document.notes
            elif document.rows and document.notes != notes:
                raise InputError(f"from line {first} on, words are in another column than before: split the file")
            sentences = read([document]).sentences[0]
        except LabelledDataError as error:
            raise InputError(str(error).removeprefix(f"{name}, ")) from None
        except Problem as problem:
            raise InputError(f"from line {first} on: {problem}") from None
        size = len(block)
        for sentence in sentences:
            yield sentence.words, size // len(sentences)


def _blocks(file: BinaryIO, most_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Whole sentences of about ``BLOCK_BYTES``, and the number of their first line."""
    lines: list[bytes] = []
    first = number = 1
    size = 0
    while line := file.readline(most_bytes):
        lines.append(line)
        size += len(line)
        number += 1
        if size > BLOCK_BYTES and not line.strip():
            yield first, b"".join(lines)
            lines, first, size = [], number, 0
        elif size > most_bytes:
            raise InputError(f"line {first}: no blank line, which ends a sentence, in {most_bytes // 2**20} MiB")
    if lines:
        yield first, b"".join(lines)


def _is_bare(text: str) -> bool:
    """Whether there is one column: words without labels."""
    lines = [line for line in text.splitlines()[:1000] if line.strip() and not line.startswith(("# ", DOCUMENT_START))]
    return bool(lines) and all(len(line.split()) == 1 for line in lines)
