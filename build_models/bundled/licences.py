"""Selects corpus lines whose source has a licence that a shipped model may learn from.

``<language>.sources.xz`` names the source of each line of ``<language>.txt.xz``.
"""

import lzma
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from build_models.errors import DataError

ALLOWED = {
    "enh-corpus": "CC0-1.0",
    "tico-19": "CC0-1.0",
    "common-voice": "CC0-1.0",
    "afrisenti": "CC-BY-4.0",
    "Kirundi_Dataset": "CC-BY-4.0",
    "luo-news": "CC-BY-4.0",
    "wolof-common-voice": "CC-BY-4.0",
    "NTREX": "CC-BY-SA-4.0",
    "somali-wikipedia": "CC-BY-SA-4.0",
    "UD_Naija-NSC": "CC-BY-SA-4.0",
    "masakhane-news": "AFL-3.0",
}
"""Licences by source. All other sources are excluded: those under CC BY-NC, those without a clear licence, and
``yoruba-text`` and ``asp-source``, which do not say which of their lines are openly licensed.
"""

TEXT, SOURCES = "{language}.txt.xz", "{language}.sources.xz"


@dataclass(frozen=True)
class Line:
    """A sentence of the corpus and where it is from."""

    text: str
    source: str


def licensed_lines(corpus: Path, language: str) -> list[Line]:
    """The lines of one language whose source is in ``ALLOWED``, in order.

    Raises ``DataError`` for files that are missing or damaged, or do not have a source for each line.
    """
    texts = _read(corpus / TEXT.format(language=language))
    sources = _read(corpus / SOURCES.format(language=language))
    if len(texts) != len(sources):
        raise DataError(
            f"{corpus}: {language} has {len(texts):,} lines and {len(sources):,} sources, so they cannot be matched."
            " Take both files from the same release."
        )
    return [
        Line(text.strip(), source)
        for text, source in zip(texts, map(str.strip, sources), strict=True)
        if source in ALLOWED and text.strip()
    ]


def check_corpus(corpus: Path, languages: Sequence[str]) -> None:
    """Raise ``DataError`` naming the files that are missing."""
    wanted = (corpus / name.format(language=language) for language in languages for name in (TEXT, SOURCES))
    missing = [path.name for path in wanted if not path.is_file()]
    if missing:
        raise DataError(
            f"{corpus} lacks {', '.join(missing)}: give the folder with a text and its sources for each language,"
            " by --corpus"
        )


def count_sources(lines: Sequence[Line]) -> dict[str, int]:
    """How many lines are from each source, most first."""
    return dict(Counter(line.source for line in lines).most_common())


def _read(path: Path) -> list[str]:
    return list(_lines(path))


def _lines(path: Path) -> Iterator[str]:
    try:
        with lzma.open(path, "rt", encoding="utf-8", newline="\n") as file:
            yield from (line.removesuffix("\n") for line in file)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason})") from error
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
