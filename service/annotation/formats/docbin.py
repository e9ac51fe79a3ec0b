"""spaCy's DocBin. Answers are collected as JSON lines and converted by spaCy at the end."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from service.annotation.documents import Answer
from service.annotation.errors import AnnotationError
from service.annotation.formats.json_forms import dump
from service.ner.decoding import entity_spans
from service.ner.words import split_words

DOCUMENTS = 10_000
"""Documents per file, because a DocBin is built in memory."""


def refuse_without_spacy() -> None:
    """Raise ``AnnotationError`` if spaCy is not installed."""
    try:
        import spacy.tokens  # noqa: F401
    except ImportError:
        raise AnnotationError("--format spacy needs spaCy, which is not installed: pip install spacy") from None


def tokens_of(answer: Answer, model: str) -> bytes:
    """Tokens that restore the text, whether a space follows each, and the entities as token spans."""
    tokens: list[str] = []
    spaces: list[bool] = []
    places: list[int] = []
    if isinstance(answer.content, str):
        text, end = answer.content, 0
        for word in split_words(text):
            _fill(text[end : word.start], tokens, spaces)
            places.append(len(tokens))
            tokens.append(text[word.start : word.end])
            spaces.append(False)
            end = word.end
        _fill(text[end:], tokens, spaces)
    else:
        # An empty word is no token.
        kept = [word or "\u200b" for word in answer.content]
        places, tokens, spaces = list(range(len(kept))), kept, [True] * (len(kept) - 1) + [False] * bool(kept)
    spans = [[places[span.first], places[span.last] + 1, span.label] for span in entity_spans(answer.result.labels)]
    return dump({"tokens": tokens, "spaces": spaces, "entities": spans}) + b"\n"


def _fill(gap: str, tokens: list[str], spaces: list[bool]) -> None:
    """What stands between two words: a space after the first, the rest is a token as in spaCy."""
    if gap.startswith(" ") and tokens:
        spaces[-1], gap = True, gap[1:]
    if gap:
        tokens.append(gap)
        spaces.append(False)


def numbered(output: Path, number: int) -> Path:
    """The name of a file of an output: ``output`` itself, then ``…-2``, ``…-3``."""
    return output if number == 1 else output.with_stem(f"{output.stem}-{number}")


def first_of(name: str) -> tuple[str, int] | None:
    """The output of which a file of this name would be a further one, and its number; None if of no output."""
    found = re.fullmatch(r"(.+)-([2-9]|[1-9]\d+)(\.\w+)", name, re.DOTALL)
    return found and (found[1] + found[3], int(found[2]))


def further_files(output: Path) -> Iterator[Path]:
    """The files after the first that are there."""
    number = 2
    while (path := numbered(output, number)).exists():
        yield path
        number += 1


def finish_docbin(part: Path, output: Path) -> None:
    """Write ``output``, and ``…-2``, ``…-3`` for each further ``DOCUMENTS``; remove ``part``."""
    from spacy.tokens import Doc, DocBin, Span
    from spacy.vocab import Vocab

    with part.open("rb") as file:
        for number, lines in enumerate(_batches(file), 1):
            vocabulary = Vocab()
            docs = DocBin(attrs=["ENT_IOB", "ENT_TYPE"])
            for line in lines:
                found = json.loads(line)
                doc = Doc(vocabulary, words=found["tokens"], spaces=found["spaces"])
                doc.set_ents([Span(doc, start, end, label) for start, end, label in found["entities"]])
                docs.add(doc)
            target = numbered(output, number)
            beside = target.with_name(f"{target.name}.new")
            docs.to_disk(beside)
            beside.rename(target)
    part.unlink()


def _batches(lines: BinaryIO) -> Iterator[list[bytes]]:
    """At least one, which may be empty."""
    batch = list(islice(lines, DOCUMENTS))
    yield batch
    while batch := list(islice(lines, DOCUMENTS)):
        yield batch
