"""Output formats: how each answer is rendered, and the header and footer of a file.

May import service.annotation.documents and service.annotation.errors.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from service.annotation.documents import Answer
from service.annotation.formats.columns import conll
from service.annotation.formats.docbin import (
    DOCUMENTS,
    finish_docbin,
    first_of,
    further_files,
    refuse_without_spacy,
    tokens_of,
)
from service.annotation.formats.json_forms import json_line, label_studio
from service.annotation.formats.page import FOOTER, HEADER, section


class Format(NamedTuple):
    """``render`` formats one answer as bytes; ``finish`` converts the completed file into the output.

    An output may have several files, of ``documents`` each. ``further_files`` are those after the first, and
    ``first_of`` tells from a file's name which output it would belong to, and its number.
    """

    suffix: str
    render: Callable[[Answer, str], bytes]
    header: bytes = b""
    separator: bytes = b""
    footer: bytes = b""
    finish: Callable[[Path, Path], None] = Path.rename  # type: ignore[assignment]
    further_files: Callable[[Path], Iterator[Path]] = lambda _: iter(())
    first_of: Callable[[str], tuple[str, int] | None] = lambda _: None
    documents: int = 1
    check: Callable[[], None] = lambda: None


FORMATS = {
    "jsonl": Format(".jsonl", json_line),
    "conll": Format(".conll", conll),
    "spacy": Format(
        ".spacy",
        tokens_of,
        finish=finish_docbin,
        further_files=further_files,
        first_of=first_of,
        documents=DOCUMENTS,
        check=refuse_without_spacy,
    ),
    "html": Format(".html", section, HEADER, b"", FOOTER),
    "label-studio": Format(".json", label_studio, b"[\n", b",\n", b"\n]\n"),
}
