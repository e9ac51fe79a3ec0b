"""Reads input files as a stream of records, which are passed to the workers unparsed."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from service.annotation.errors import InputError, Problem
from service.annotation.inputs.columns import SUFFIXES, read_conll
from service.annotation.inputs.encodings import HEAD, decode, refuse_foreign

MOST_BYTES = 16 * 1024 * 1024
"""Maximum bytes of a document, which bounds a worker's memory."""

DELIMITERS = ",;\t|"
UTF8_MARK = b"\xef\xbb\xbf"
_LABELLED = re.compile(rb"\S+[ \t]+(?:\S+[ \t]+)*(?:O|[BIESLU]-\S+)\s*")
LOOKED_AT = 20


class Reading(NamedTuple):
    """How inputs are read: the field or column with the text, and what a .txt file contains."""

    field: str = "text"
    column: str = "text"
    lines: bool = False
    conll: bool = False


class Record(NamedTuple):
    """A document: a JSON object in bytes, the field of it that holds the text, and where it was found.

    With a ``problem``, there is no document, but the reason why not. ``size`` are the input's bytes since the last one.
    """

    place: str
    field: str
    payload: bytes
    size: int
    problem: str | None = None


def read_file(path: Path, name: str, how: Reading) -> Iterator[Record]:
    """The records of a file; ``name`` is used in messages. Raises ``InputError``."""
    read = _reader(path, how)
    # File names need not be UTF-8.
    name = name.encode("utf-8", "replace").decode()
    try:
        if not path.is_file():
            raise InputError("not a regular file" if path.exists() else "there is no such file")
        with path.open("rb") as file:
            head = file.read(HEAD)
            refuse_foreign(head)
            file.seek(len(UTF8_MARK) if head.startswith(UTF8_MARK) else 0)
            yield from read(file, name, how)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}") from None


def _reader(path: Path, how: Reading) -> Callable[[BinaryIO, str, Reading], Iterator[Record]]:
    suffix = path.suffix.lower()
    if suffix == ".txt":
        return _conll if how.conll else _lines if how.lines else _text
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines
    if suffix == ".csv":
        return _csv
    if suffix in SUFFIXES:
        return _conll
    raise InputError(f"unknown ending {suffix or 'none'!r}; choose from {', '.join(ENDINGS)}")


ENDINGS = (".txt", ".jsonl", ".ndjson", ".csv", *SUFFIXES)


def _text(file: BinaryIO, name: str, how: Reading) -> Iterator[Record]:
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise InputError(f"{_too_many_bytes()}; --lines reads each line as a document")
    lines = [line for line in data.splitlines()[:LOOKED_AT] if line.strip()]
    if len(lines) > 1 and all(_LABELLED.fullmatch(line) for line in lines):
        raise InputError("words and labels in columns: read it with --conll, or each line as a document with --lines")
    try:
        yield _record(name, {"file": name, "text": decode(data)}, len(data))
    except Problem as problem:
        raise InputError(str(problem)) from None


def _lines(file: BinaryIO, name: str, how: Reading) -> Iterator[Record]:
    for number, line, size in _split(file):
        place = f"{name}, line {number}"
        if line is None:
            yield Record(place, "", b"", size, _too_many_bytes())
            continue
        try:
            yield _record(place, {"line": number, "text": decode(line)}, size)
        except Problem as problem:
            yield Record(place, "", b"", size, str(problem))


def _json_lines(file: BinaryIO, name: str, how: Reading) -> Iterator[Record]:
    for number, line, size in _split(file):
        problem = _too_many_bytes() if line is None else None
        yield Record(f"{name}, line {number}", how.field, line or b"", size, problem)


def _split(file: BinaryIO) -> Iterator[tuple[int, bytes | None, int]]:
    """Number, text and size of each line that is not blank; None for one that is too long."""
    number = skipped = 0
    while line := file.readline(MOST_BYTES):
        number += 1
        size = len(line)
        whole = True
        while not line.endswith(b"\n") and (more := file.readline(MOST_BYTES)):
            line, whole, size = more, False, size + len(more)
        line = line.rstrip(b"\r\n")
        if whole and not line.strip():
            skipped += size
            continue
        yield number, line if whole else None, size + skipped
        skipped = 0


def _csv(file: BinaryIO, name: str, how: Reading) -> Iterator[Record]:
    # What is not UTF-8 is found in the row that holds it.
    lines = (line.decode("utf-8", "surrogateescape") for line in _bounded(file))
    csv.field_size_limit(MOST_BYTES)
    header = next(lines, "")
    names, delimiter = _header(header, how.column)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    before, number = 0, 2
    while True:
        try:
            row = next(rows)
            problem = None if row else ""
        except StopIteration:
            return
        except csv.Error as error:
            if "field limit" in str(error):
                raise InputError(f"line {number}: {_too_many_bytes()}; is a quotation mark not closed?") from None
            row, problem = [], f"not CSV: {error}{_unclosed(str(error))}"
        if row and len(row) != len(names):
            problem = f"{len(row)} fields where the header has {len(names)}"
        place, number, size = f"{name}, line {number}", rows.line_num + 2, file.tell() - before
        before += size
        if problem is None:
            try:
                yield _record(place, dict(zip(names, row, strict=True)), size, how.column)
                continue
            except UnicodeEncodeError:
                problem = _encoding_of("".join(row))
        if problem:
            yield Record(place, "", b"", size, problem)


def _bounded(file: BinaryIO) -> Iterator[bytes]:
    """The lines. Raises ``InputError`` for one that is too long, since the row that it belongs to has no end."""
    number = 0
    while line := file.readline(MOST_BYTES + 1):
        number += 1
        if len(line) > MOST_BYTES:
            raise InputError(f"line {number}: {_too_many_bytes()}")
        yield line


def _unclosed(error: str) -> str:
    return "; a quotation mark is not closed" if "end of data" in error else ""


def _encoding_of(text: str) -> str:
    try:
        decode(text.encode("utf-8", "surrogateescape"))
    except Problem as problem:
        return str(problem)
    return "not UTF-8"


def _header(line: str, column: str) -> tuple[list[str], str]:
    """The names of the columns and what separates them. Raises ``InputError`` without the column."""
    try:
        found = {delimiter: next(csv.reader([line], delimiter=delimiter), []) for delimiter in DELIMITERS}
    except csv.Error as error:
        raise InputError(f"line 1: not CSV: {error}") from None
    delimiter = max(found, key=lambda delimiter: (column in found[delimiter], len(found[delimiter])))
    names = found[delimiter]
    if column not in names:
        listed = ", ".join(repr(name.encode("utf-8", "replace").decode()) for name in names) or "none"
        raise InputError(f"no column {column!r}; its columns are {listed}: choose one with --column")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"two columns are called {twice[0]!r}: rename one")
    return names, delimiter


def _conll(file: BinaryIO, name: str, how: Reading) -> Iterator[Record]:
    for number, (words, size) in enumerate(read_conll(file, name, MOST_BYTES), 1):
        yield _record(f"{name}, sentence {number}", {"tokens": words}, size, "tokens")


def _record(place: str, fields: dict[str, object], size: int, field: str = "text") -> Record:
    return Record(place, field, json.dumps(fields, ensure_ascii=False).encode(), size)


def _too_many_bytes() -> str:
    return f"more than the {MOST_BYTES // 2**20} MiB of one document"
