"""Labelled data from folders of CoNLL files."""

from collections.abc import Sequence
from pathlib import Path

from build_models.data.datasets import SPLITS, Dataset, checked, choose
from build_models.errors import DataError
from service.evaluation.conll import ConllError, Sentence, parse_conll


def read_conll(path: Path, language: str) -> list[Sentence]:
    """Read a CoNLL file: the word in the first column, its label in the last, blank lines between sentences.

    A byte-order mark, CRLF and tabs are taken. Raises ``DataError`` naming file and line otherwise.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {number}: not UTF-8") from error
    try:
        sentences = parse_conll(text, language)
    except ConllError as error:
        raise DataError(f"{path}, {error}") from None
    if not sentences:
        raise DataError(f"{path} holds no sentence")
    return sentences


def read_folder(folder: Path, languages: Sequence[str] | None) -> Dataset:
    """Read ``<language>/{train,dev,test}.txt`` of the chosen languages, by default of all there are."""
    there = sorted(path.parent.name for path in folder.glob("*/train.txt"))
    if not there:
        raise DataError(f"{folder} has no <language>/train.txt in it")
    chosen = choose(languages, there, str(folder))
    splits = {
        split: [
            sentence for language in chosen for sentence in read_conll(folder / language / f"{split}.txt", language)
        ]
        for split in SPLITS
    }
    return checked(Dataset(f"{folder.name} ({', '.join(chosen)})", **splits))
