"""Sentences of the corpus that were labelled for this model.

The package keeps the labels only; the sentences stay in the corpus. A line of ``labels/<language>.txt`` is the digest
of a sentence and its entities as ``LABEL:first-last``, counted in words.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from build_models.errors import DataError
from service.evaluation.conll import Sentence

LABELS = Path(__file__).parent / "labels"
EXCLUDED = LABELS / "excluded"
"""Digests of corpus lines that also occur in an evaluation data set, which may have been made from the same source."""

_ENTITY = re.compile(r"([A-Z]+):(\d+)-(\d+)")


def digest_of_words(words: Sequence[str]) -> str:
    """The key of a sentence: 16 hexadecimal digits of the SHA-256 of its space-separated words."""
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]


def read_excluded(path: Path = EXCLUDED) -> frozenset[str]:
    return frozenset(path.read_text(encoding="utf-8").split())


def read_annotations(language: str, folder: Path = LABELS) -> dict[str, list[tuple[str, int, int]]]:
    """The entities of each labelled sentence, by its digest. None for a language without a file.

    Raises ``DataError`` naming file and line.
    """
    path = folder / f"{language}.txt"
    if not path.exists():
        return {}
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        digest, *entities = line.split()
        matches = [_ENTITY.fullmatch(entity) for entity in entities]
        if None in matches:
            raise DataError(f"{path}, line {number}: an entity is not LABEL:first-last")
        found[digest] = [(match[1], int(match[2]), int(match[3])) for match in matches if match]
    return found


def annotated(
    sentences: Iterable[Sequence[str]], language: str, entities: Mapping[str, Sequence[tuple[str, int, int]]]
) -> list[Sentence]:
    """The sentences that are labelled, with their labels; each once."""
    made: dict[str, Sentence] = {}
    for words in sentences:
        digest = digest_of_words(words)
        if digest in entities and digest not in made:
            labels = ["O"] * len(words)
            for label, first, last in entities[digest]:
                labels[first : last + 1] = [f"B-{label}", *[f"I-{label}"] * (last - first)]
            made[digest] = Sentence(language, list(words), labels)
    return list(made.values())
