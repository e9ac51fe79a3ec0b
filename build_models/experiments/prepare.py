"""Names and digests of the inputs of a grid."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from build_models.bases.pretraining import RECORD
from build_models.data.datasets import Dataset
from build_models.data.loading import load_data
from build_models.errors import BuildError
from build_models.experiments.cells import DATA_SEED, SAMPLE
from build_models.experiments.grids import Named
from build_models.experiments.results import record_path, write_whole
from build_models.recipes.agnostic import corpus_digests
from build_models.workspace.workspace import lock, result_digest
from service.ner.encoder import Encoder


@lru_cache(maxsize=12)
def data_of(data: str | None, languages: tuple[str, ...], sample_sentences: int) -> Dataset:
    """The data of the languages of a cell, kept for the next cells."""
    return load_data(data, languages, None, DATA_SEED, sample_sentences)


def name_bases(bases: Sequence[str]) -> dict[Named, str]:
    """Name and digest of each base, with its path. A hub id is its own digest: use a folder to pin the contents.

    Raises ``BuildError`` if two bases have the same name.
    """
    named: dict[Named, str] = {}
    for base in bases:
        folder = Path(base)
        name = folder.resolve().name if folder.is_dir() else base
        if any(name == other.name for other in named):
            raise BuildError(f"Two bases are named {name}: rename one of the folders")
        named[Named(name, result_digest(folder)[:20] if folder.is_dir() else base)] = base
    return named


def keep_records(bases: Mapping[Named, str], folder: Path) -> None:
    """Copy the pretraining records of the bases to ``folder``, for the results page."""
    for named, base in bases.items():
        record = Path(base) / RECORD
        if record.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(record_path(folder, named.name, named.digest), record.read_bytes())


def keep_languages(
    bases: Mapping[Named, str], data: str | None, languages: Sequence[str], sample_sentences: int, folder: Path
) -> None:
    """Write what the page compares languages by: size of the training split, pieces per word, share of Latin letters.

    One file for each base, since the pieces are its tokenizer's.
    """
    for named, base in bases.items():
        path = record_path(folder, named.name, named.digest)
        if not Path(base).is_dir():
            continue
        known, found = known_languages(path), {}
        encoder = Encoder.from_folder(Path(base), 512, 0)
        for language in languages:
            dataset = data_of(data, (language,), sample_sentences)
            if known.get(language, {}).get("data") == dataset.digest:
                continue
            train = dataset.train
            words = [word for sentence in train for word in sentence.words]
            letters = [letter for word in words for letter in word if letter.isalpha()]
            found[language] = {
                "data": dataset.digest,
                "sentences": len(train),
                "words": len(words),
                "pieces_per_word": round(len(encoder.encode_all(words).pieces) / max(1, len(words)), 3),
                "latin": round(sum(letter < "\u0250" for letter in letters) / max(1, len(letters)), 3),
            }
        # What another grid with other languages has written meanwhile stays.
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder, wait=True):
            every = {**known_languages(path), **found}
            write_whole(path, (json.dumps(every, indent=1, sort_keys=True) + "\n").encode())


def known_languages(path: Path) -> dict[str, Any]:
    """What a grid has written; nothing if the file is missing or damaged, since it can be written again."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def name_data(data: str | None, languages: Sequence[str], sample_sentences: int) -> list[tuple[str, Named]]:
    """The name and digest of the data of each language, or of several with commas between them."""
    name = Path(data).name if data else SAMPLE
    digests = {language: data_of(data, tuple(language.split(",")), sample_sentences).digest for language in languages}
    return [(language, Named(name, digest)) for language, digest in digests.items()]


def name_corpus(corpus: Path) -> Named:
    """The name of a corpus folder and a digest of its files. Raises ``BuildError`` if it has none."""
    files = corpus_digests(corpus)
    if not files:
        raise BuildError(f"{corpus} has no <language>.txt or <language>.txt.xz in it")
    digests = json.dumps(files, sort_keys=True)
    return Named(corpus.resolve().name, hashlib.sha256(digests.encode()).hexdigest()[:20])
