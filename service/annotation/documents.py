"""Documents and their answers, which come from the same pipeline as those of ``/ner``."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, NamedTuple

from pydantic_core import from_json

from service.annotation.errors import Problem
from service.annotation.inputs.encodings import decode
from service.ner.decoding import drop_entities
from service.ner.pipeline import Entity, Pipeline, Result, run_to_end
from service.ner.timing import Timer
from service.ner.words import iterate_words

Content = str | list[str]
"""A text, or a sentence that is split into words."""

LEAST_SHARE = 0.5
"""Minimum share of a part's length, before which no cut is made."""

CUTS = [re.compile(pattern) for pattern in (r"\n\s*\n\s*", r"\n\s*", r"[.!?።]\s+", r"\s+")]
"""Places to cut a long text, best first: between paragraphs, lines, sentences, words."""

SHOWN = 10
"""Maximum number of field names in a message."""


class Limits(NamedTuple):
    """Entities below ``min_score`` are omitted. Documents over ``max_characters`` are rejected or, with ``split``, read
    in parts.
    """

    min_score: float = 0.0
    max_characters: int | None = None
    split: bool = False


@dataclass
class Answer:
    """A document's fields, its content, and the result."""

    fields: dict[str, Any]
    content: Content
    result: Result

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else " ".join(self.content)

    @property
    def spans(self) -> list[tuple[Entity, int, int]]:
        """The entities with their code points in ``text``."""
        if isinstance(self.content, str):
            return [(entity, entity.start, entity.end) for entity in self.result.entities]
        starts, place = [], 0
        for word in self.content:
            starts.append(place)
            place += len(word) + 1
        return [
            (entity, starts[entity.start], starts[entity.end - 1] + len(self.content[entity.end - 1]))
            for entity in self.result.entities
        ]


def parse(payload: bytes, field: str) -> tuple[dict[str, Any], Content]:
    """The fields of a JSON object, and the content of the document in one of them. Raises ``Problem``."""
    decode(payload)
    try:
        fields = from_json(payload, allow_inf_nan=False)
    except ValueError as error:
        raise Problem(f"not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise Problem("not a JSON object; expected one such as {" + f'"{field}": "…"' + "}")
    if field not in fields:
        names = ", ".join(map(repr, list(fields)[:SHOWN])) or "none"
        raise Problem(f"no field {field!r}; its fields are {names}: choose one with --field")
    content = fields[field]
    if not (isinstance(content, str) or (isinstance(content, list) and all(isinstance(word, str) for word in content))):
        raise Problem(f"the field {field!r} is neither a text nor a list of words")
    return fields, content


def annotate(pipeline: Pipeline, content: Content, limits: Limits) -> Result:
    """Annotate a document like ``/ner``. Raises ``Problem`` if it is too long."""
    characters = len(content) if isinstance(content, str) else sum(map(len, content)) + max(0, len(content) - 1)
    most = limits.max_characters
    if most is None or characters <= most:
        result = _read(pipeline, content)
    elif not limits.split:
        raise Problem(f"{characters:,} characters are more than the {most:,} of one document: pass --too-long split")
    else:
        result = Result([], [])
        parts = split_text(content, most) if isinstance(content, str) else split_sentence(content, most)
        for start, part in parts:
            found = _read(pipeline, part)
            result.labels += found.labels
            result.entities += [
                entity._replace(start=entity.start + start, end=entity.end + start) for entity in found.entities
            ]
    return at_least(result, limits.min_score) if limits.min_score else result


def _read(pipeline: Pipeline, content: Content) -> Result:
    if isinstance(content, str):
        return run_to_end(pipeline.read_text(content, Timer()))
    return run_to_end(pipeline.read_words(content, Timer()))


def at_least(result: Result, score: float) -> Result:
    """Remove entities below ``score``; their words are labelled O."""
    kept = [entity.score >= score for entity in result.entities]
    return Result(list(compress(result.entities, kept)), drop_entities(result.labels, kept))


def split_text(text: str, most: int) -> Iterator[tuple[int, str]]:
    """Parts of at most ``most`` characters with their start offsets; the words of the parts are those of the text.

    Raises ``Problem`` for a word that is longer.
    """
    start = 0
    while len(text) - start > most:
        end = start + most
        floor = start + int(most * LEAST_SHARE)
        for pattern in CUTS:
            ends = [match.end() for match in pattern.finditer(text, floor, end)]
            if ends:
                end = ends[-1]
                break
        else:
            end = _between_words(text, start, most)
        yield start, text[start:end]
        start = end
    yield start, text[start:]


def _between_words(text: str, start: int, most: int) -> int:
    """The last place at most ``most`` characters behind ``start`` that is not within a word."""
    for word in iterate_words(text[start:]):
        if word.end > most:
            if not word.start:
                raise Problem(f"a word of more than {most:,} characters, which cannot be split")
            return start + min(word.start, most)
    return start + most


def split_sentence(words: Sequence[str], most: int) -> Iterator[tuple[int, list[str]]]:
    """Parts of at most ``most`` characters, or of one longer word, with the index of the first word."""
    start, characters = 0, -1
    for place, word in enumerate(words):
        if place > start and characters + 1 + len(word) > most:
            yield start, list(words[start:place])
            start, characters = place, -1
        characters += 1 + len(word)
    yield start, list(words[start:])
