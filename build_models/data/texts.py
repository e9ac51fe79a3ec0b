"""Unlabelled texts, from which the variants of a given classifier learn if there is no labelled data."""

import random
from collections.abc import Iterator
from pathlib import Path

from build_models.data.corpus import SUFFIXES, read_lines
from build_models.data.datasets import Dataset
from build_models.errors import DataError
from build_models.progress import say
from service.evaluation.conll import Sentence
from service.ner.words import split_words

HELD_OUT, MOST_HELD_OUT = 0.1, 500
"""Share and maximum number of texts in dev; test gets as many."""

FEWEST = 20


def read_unlabelled(path: Path, seed: int) -> Dataset:
    """Read a text file, or a folder of them, with one text per line; all words are labelled O.

    Duplicates are dropped, so that no text is in two splits. Raises ``DataError``.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist: --texts takes a text file or a folder of them")
    files = [path] if path.is_file() else [file for file in sorted(path.rglob("*")) if file.is_file()]
    taken = [file for file in files if file.name.endswith(SUFFIXES)]
    if left := [file.name for file in files if file not in taken]:
        say(f"{path}: files that are not used, for they end in neither {' nor '.join(SUFFIXES)}: {', '.join(left)}")
    found = list(_sentences(taken))
    distinct = list({tuple(sentence.words): sentence for sentence in found}.values())
    if len(distinct) < FEWEST:
        raise DataError(f"{path} holds {len(distinct)} different texts; at least {FEWEST} are needed, a line each")
    random.Random(seed).shuffle(distinct)
    held = min(MOST_HELD_OUT, max(1, int(HELD_OUT * len(distinct))))
    again = f", {len(found) - len(distinct):,} duplicates left out" if len(found) > len(distinct) else ""
    say(f"texts: {path}: {len(distinct):,} lines{again}")
    return Dataset(f"texts of {path.name}", distinct[2 * held :], distinct[:held], distinct[held : 2 * held])


def _sentences(files: list[Path]) -> Iterator[Sentence]:
    for file in files:
        for line in read_lines(file):
            words = [line[word.start : word.end] for word in split_words(line)]
            if words:
                yield Sentence(file.name.partition(".")[0], words, ["O"] * len(words))
