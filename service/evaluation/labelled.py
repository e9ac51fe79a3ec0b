"""Labelled data for an accuracy check: the build's test split, or data from the client."""

import contextlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from service.errors import InvalidRequest, NoTestData, TooLarge, UnreadableTestData
from service.evaluation.conll import (
    Document,
    LabelledDataError,
    Row,
    Sentence,
    digest_of_sentences,
    parse_conll,
    parse_written,
)
from service.evaluation.noise import add
from service.evaluation.reading import Reading, Rules, read
from service.schemas.accuracy import AccuracyRequest, Noise

T = TypeVar("T")

FOLDER = "data"
"""Folder of the build's test split, next to the variants: ``<language>.conll``."""

SPLIT_SOURCE = "source.json"
"""File in that folder with the ``name`` of the data."""

MOST_LANGUAGES = 50
"""Maximum number of languages in a client's data, because each has its own scores and intervals."""

MOST_NAMED = 20
"""Maximum number of languages that an error message lists."""


@dataclass(frozen=True)
class LabelledData:
    """Sentences with the name and digest of their source.

    After a selection, ``digest``, ``repaired`` labels, ``left_out`` tokens and ``notes`` still describe the whole data.
    """

    name: str
    digest: str
    sentences: Sequence[Sentence]
    repaired: int = 0
    left_out: int = 0
    notes: Sequence[str] = ()
    noise: Noise | None = None

    def words(self, place: int) -> list[str]:
        """The words of a sentence as variants are to read them; changed only now, so that no copy of all is kept."""
        words = self.sentences[place].words
        if self.noise is None:
            return words
        return add(words, self.noise.name, random.Random(f"{self.noise.seed}/{place}"))

    def select(self, language: str | None, limit: int | None) -> "LabelledData":
        """Select one language and at most ``limit`` sentences: always the same ones, spread evenly over the data.

        Sentences without a language count as being in the requested one. Raises ``InvalidRequest`` if the selection has
        no entities.
        """
        chosen = self.sentences
        if language is not None:
            chosen = [sentence._replace(language=sentence.language or language) for sentence in chosen]
            chosen = [sentence for sentence in chosen if sentence.language == language]
            if not chosen:
                there = sorted({sentence.language for sentence in self.sentences})[:MOST_NAMED]
                raise InvalidRequest(
                    f"language: the data has no sentence in {language[:20]!r}; it has {', '.join(there)}.",
                    {"languages": there},
                )
        if limit is not None:
            chosen = spread_evenly(chosen, limit)
        if not any(label.startswith("B-") for sentence in chosen for label in sentence.labels):
            raise InvalidRequest(
                f"The {len(chosen)} sentences have no entities, so there is nothing to score. Send labelled entities.",
                {"sentences": len(chosen)},
            )
        return replace(self, sentences=chosen)


def read_test_split(artifacts: Path, name: str) -> LabelledData:
    """The test split that the build wrote next to its artefacts.

    ``name`` is that of a variant's data; the split may be of a later build with other data, whose name is beside it.

    Cached until a file changes. Raises ``NoTestData`` or ``UnreadableTestData``.
    """
    paths = tuple(sorted((artifacts / FOLDER).glob("*.conll")))
    try:
        looks = tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in paths))
    except OSError:
        # A build is replacing the files, or a link is broken; reading them gives the error.
        _read_files.cache_clear()
        looks = ()
    digest, sentences = _read_files(paths, looks)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        name = str(json.loads((artifacts / FOLDER / SPLIT_SOURCE).read_text(encoding="utf-8"))["name"])
    return LabelledData(f"{name}, test split", digest, sentences)


@lru_cache(maxsize=1)
def _read_files(paths: tuple[Path, ...], looks: tuple[tuple[int, int, int], ...]) -> tuple[str, Sequence[Sentence]]:
    """The digest and sentences of the files; ``looks`` is part of the cache key."""
    sentences: list[Sentence] = []
    for path in paths:
        try:
            sentences += parse_written(path.read_bytes().decode("utf-8"), path.stem)
        except (OSError, ValueError) as error:
            # The full text of an OSError would reveal the path.
            problem = error.strerror if isinstance(error, OSError) else error
            raise UnreadableTestData(
                f"{FOLDER}/{path.name}, beside the variants, cannot be read: {problem}. Build them again with"
                " python -m build_models, or send labelled data."
            ) from error
    if not sentences:
        raise NoTestData(
            f"There is no test split: {FOLDER}/*.conll is missing beside the variants. Build them with"
            " python -m build_models, or send labelled data."
        )
    return digest_of_sentences(sentences), sentences


def read_request(
    request: AccuracyRequest, language: str | None, labels: Sequence[str], max_characters: int, rules: Rules
) -> LabelledData:
    """The data of a request body; see ``of_caller``."""
    try:
        if request.conll is not None:
            document = parse_conll("conll", language or "", request.conll)
        else:
            rows = [
                Row(example.language or "", example.tokens, example.labels, None, number)
                for number, example in enumerate(request.examples or [])
            ]
            document = Document("examples", rows, where="{name}.{line}")
        reading = read([document], rules)
    except LabelledDataError as error:
        raise InvalidRequest(f"{error}.", error.details) from None
    return of_caller("sent with the request", reading, labels, max_characters)


def of_caller(name: str, reading: Reading, labels: Sequence[str], max_characters: int) -> LabelledData:
    """Validate a client's data against the variant's ``labels``.

    Raises ``InvalidRequest``, or ``TooLarge`` for a sentence over the limit.
    """
    sentences = [sentence for document in reading.sentences for sentence in document]
    if not sentences:
        raise InvalidRequest("The data has no sentences. Send at least one with its labels.")
    languages = len({sentence.language for sentence in sentences})
    if languages > MOST_LANGUAGES:
        raise InvalidRequest(
            f"The examples are in {languages:,} languages; the limit is {MOST_LANGUAGES}.",
            {"languages": languages, "max_languages": MOST_LANGUAGES},
        )
    for kind, place in reading.types.items():
        if not {f"B-{kind}", f"I-{kind}"} & set(labels):
            raise InvalidRequest(
                f"{place}: the variant does not know the label {f'B-{kind[:40]}'!r}; it knows {', '.join(labels)}.",
                {"labels": list(labels)},
            )
    for number, sentence in enumerate(sentences):
        characters = sum(map(len, sentence.words)) + len(sentence.words) - 1
        if characters > max_characters:
            raise TooLarge(
                f"Sentence {number} has {characters:,} characters; the limit is {max_characters:,}.",
                {"sentence": number, "max_document_characters": max_characters},
            )
    return LabelledData(
        name,
        digest_of_sentences(sentences),
        sentences,
        repaired=reading.repaired,
        left_out=reading.left_out,
        notes=reading.notes,
    )


def spread_evenly(items: Sequence[T], most: int) -> list[T]:
    """At most ``most`` of the items, always the same ones, from all parts of them."""
    return [items[number * len(items) // most] for number in range(most)] if most < len(items) else list(items)
