"""Raw text for pretraining: a file ``<language>.txt`` or ``<language>.txt.xz`` per language, one sentence per line."""

import lzma
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from build_models.data.datasets import choose
from build_models.errors import DataError
from build_models.progress import say

SUFFIXES = (".txt", ".txt.xz")


def find_texts(folder: Path, languages: Sequence[str] | None) -> dict[str, Path]:
    """The file of each chosen language (default: all).

    Raises ``DataError`` if the folder has no such files, and ``BuildError`` for a missing language.
    """
    there = {
        path.name.partition(".")[0]: path
        for suffix in reversed(SUFFIXES)
        for path in sorted(folder.glob(f"*{suffix}"))
        if path.name.count(".") == suffix.count(".")
    }
    if not there:
        raise DataError(f"{folder} has no <language>.txt or <language>.txt.xz in it")
    return {language: there[language] for language in choose(languages, sorted(there), str(folder))}


def read_lines(path: Path) -> Iterator[str]:
    """The non-empty lines of a text. Raises ``DataError`` naming file and line."""
    number = 0
    try:
        with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if line:
                    yield line
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, line {number}: not UTF-8 ({error.reason}): convert the file to UTF-8") from error
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise DataError(f"{path}, after line {number}: cannot be read: {error}") from error


def read_text(path: Path, limit: int | None) -> list[str]:
    """The first ``limit`` lines (default: all). Raises ``DataError`` if the file has none."""
    lines = list(islice(read_lines(path), limit))
    if not lines:
        raise DataError(f"{path} has no text: add some, or exclude its language with --languages")
    return lines


def read_texts(folder: Path, languages: Sequence[str] | None, limit: int | None) -> dict[str, list[str]]:
    """The first ``limit`` lines of each chosen language."""
    texts = {language: read_text(path, limit) for language, path in find_texts(folder, languages).items()}
    say("corpus: " + ", ".join(f"{language} {len(lines):,} lines" for language, lines in texts.items()))
    return texts
