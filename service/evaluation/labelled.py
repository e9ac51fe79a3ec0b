"""Labelled data for a check of accuracy: the build's own test split, or what a caller sent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from service.errors import InvalidRequest, NoTestData, TooLarge, UnreadableTestData
from service.evaluation.conll import ConllError, Sentence, begins_inside, digest_of_sentences, not_iob2, parse_conll
from service.schemas.accuracy import AccuracyRequest

FOLDER = "data"
"""Beside the variants in the folder of artefacts: ``<language>.conll``, the test split of the build."""

MOST_LANGUAGES = 50
"""Of a caller's data: each has scores and intervals of its own, which take time and memory."""

MOST_NAMED = 20
"""Languages that a refusal lists."""


@dataclass(frozen=True)
class LabelledData:
    """Sentences with the name of their source and its digest; the digest stays that of the whole after a selection.

    ``bundled`` is whether they came with the build: of a caller's data nothing is kept.
    """

    name: str
    digest: str
    sentences: Sequence[Sentence]
    bundled: bool = False

    def select(self, language: str | None, limit: int | None) -> "LabelledData":
        """Only one language, and at most ``limit`` sentences, spread evenly over the data and always the same ones.

        A caller's sentences whose language nobody said are taken to be in the one asked for. Raises
        ``InvalidRequest`` if nothing is left that could be scored.
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
        if limit is not None and limit < len(chosen):
            chosen = [chosen[place * len(chosen) // limit] for place in range(limit)]
        if not any(label.startswith("B-") for sentence in chosen for label in sentence.labels):
            raise InvalidRequest(
                f"The {len(chosen)} sentences hold no entity: there is nothing to score. Send labelled entities.",
                {"sentences": len(chosen)},
            )
        return replace(self, sentences=chosen)


def read_test_split(artifacts: Path, name: str) -> LabelledData:
    """The test split that the build left beside its artefacts; ``name`` is that of its data.

    It is kept until its files change: one check follows the other. Raises ``NoTestData``, and ``UnreadableTestData``
    where there is some.
    """
    paths = tuple(sorted((artifacts / FOLDER).glob("*.conll")))
    try:
        looks = tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in paths))
    except OSError:
        # A build is replacing them, or one points nowhere: reading tells.
        _read_files.cache_clear()
        looks = ()
    digest, sentences = _read_files(paths, looks)
    return LabelledData(f"{name}, test split", digest, sentences, bundled=True)


@lru_cache(maxsize=1)
def _read_files(paths: tuple[Path, ...], looks: tuple[tuple[int, int, int], ...]) -> tuple[str, Sequence[Sentence]]:
    """Digest and sentences of these files, which look so from outside."""
    sentences: list[Sentence] = []
    for path in paths:
        try:
            sentences += parse_conll(path.read_text(encoding="utf-8"), path.stem)
        except (OSError, UnicodeDecodeError, ConllError) as error:
            # The whole text of an OSError names the path on this machine.
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
    request: AccuracyRequest, language: str | None, labels: Sequence[str], max_characters: int
) -> LabelledData:
    """The data in a request's body; ``labels`` are those that the variant knows.

    Raises ``InvalidRequest`` naming line, or sentence and word, and ``TooLarge`` for a sentence over the limit.
    """
    if request.conll is not None:
        try:
            sentences = parse_conll(request.conll, language or "", strict=True)
        except ConllError as error:
            raise InvalidRequest(f"conll, {error}.", {"line": error.line}) from None
    else:
        sentences = [
            Sentence(example.language or "", example.tokens, example.labels) for example in request.examples or []
        ]
        for number, sentence in enumerate(sentences):
            _check_shape(number, sentence)
    sentences = [sentence for sentence in sentences if sentence.words]
    if not sentences:
        raise InvalidRequest("The data holds no sentence. Send at least one with its labels.")
    languages = len({sentence.language for sentence in sentences})
    if languages > MOST_LANGUAGES:
        raise InvalidRequest(
            f"The examples are in {languages:,} languages, more than the {MOST_LANGUAGES} of one check.",
            {"languages": languages, "max_languages": MOST_LANGUAGES},
        )
    _check_labels(sentences, labels)
    for number, sentence in enumerate(sentences):
        characters = sum(map(len, sentence.words)) + len(sentence.words) - 1
        if characters > max_characters:
            raise TooLarge(
                f"Sentence {number} has {characters:,} characters, more than the {max_characters:,} of one sentence.",
                {"sentence": number, "max_document_characters": max_characters},
            )
    return LabelledData("sent with the request", digest_of_sentences(sentences), sentences)


def _check_shape(number: int, sentence: Sentence) -> None:
    """Raise ``InvalidRequest`` unless there is one label for each word and the labels are IOB2."""
    words, labels = len(sentence.words), len(sentence.labels)
    if words != labels:
        raise InvalidRequest(
            f"examples.{number}: {words} tokens and {labels} labels; there must be one label for each token.",
            {"sentence": number, "tokens": words, "labels": labels},
        )
    for place, (previous, label) in enumerate(pairwise(["O", *sentence.labels])):
        if begins_inside(label, previous):
            problem = not_iob2(label, previous if place else None)
            raise InvalidRequest(f"examples.{number}, token {place}: {problem}.", {"sentence": number, "token": place})


def _check_labels(sentences: Sequence[Sentence], labels: Sequence[str]) -> None:
    known = set(labels)
    for number, sentence in enumerate(sentences):
        for place, label in enumerate(sentence.labels):
            if label not in known:
                raise InvalidRequest(
                    f"Sentence {number}, token {place}: the variant does not know the label {label[:40]!r};"
                    f" it knows {', '.join(labels)}.",
                    {"sentence": number, "token": place, "labels": list(labels)},
                )
