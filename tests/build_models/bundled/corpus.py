"""A corpus as the bundled model is made from."""

import lzma
from pathlib import Path


def write_xz(path: Path, lines: list[str]) -> None:
    path.write_bytes(lzma.compress("".join(f"{line}\n" for line in lines).encode()))


def write_corpus(folder: Path, texts: dict[str, list[tuple[str, str]]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for language, lines in texts.items():
        write_xz(folder / f"{language}.txt.xz", [text for text, _ in lines])
        write_xz(folder / f"{language}.sources.xz", [source for _, source in lines])
    return folder
