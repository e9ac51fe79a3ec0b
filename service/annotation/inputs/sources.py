"""The inputs of a run: files and folders, and the output of each."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.annotation.errors import AnnotationError, InputError
from service.annotation.inputs.records import ENDINGS, Reading, Record, read_file


@dataclass(frozen=True)
class Source:
    """An input and the name of its output. The files of a folder go into one output, in the order of their names."""

    path: Path
    output: str

    def files(self, apart_from: Path) -> list[Path]:
        if not self.path.is_dir():
            return [self.path]
        found = []
        for folder, folders, names in os.walk(self.path):
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".") and (Path(folder) / name).resolve() != apart_from.resolve()
            )
            found += [Path(folder) / name for name in names if Path(name).suffix.lower() in ENDINGS]
        return sorted(file for file in found if not file.name.startswith("."))

    def records(self, how: Reading, out: Path) -> Iterator[Record]:
        """Raises ``InputError``; of a folder, a file that cannot be read is a record with a problem."""
        if not self.path.is_dir():
            yield from read_file(self.path, str(self.path), how)
            return
        files = self.files(out)
        if not files:
            raise InputError(f"no file in this folder ends in {', '.join(ENDINGS)}")
        for file in files:
            name = str(file.relative_to(self.path))
            try:
                yield from read_file(file, name, how)
            except InputError as error:
                yield Record(str(file), "", b"", 0, str(error))

    def size(self, out: Path) -> int:
        return sum(file.stat().st_size for file in self.files(out) if file.is_file())


def find_sources(paths: Sequence[Path], suffix: str, out: Path) -> list[Source]:
    """The inputs with the names of their outputs. Raises ``AnnotationError`` if two would be the same file."""
    sources: dict[str, Source] = {}
    for path in paths:
        name = path.resolve().name if path.is_dir() else path.stem
        source = Source(path, f"{name}{suffix}")
        other = sources.setdefault(source.output, source)
        if other is not source:
            raise AnnotationError(
                f"{other.path} and {path} would both be written to {out / source.output}:"
                " run the command for each with an --out of its own, or give the folder that holds both"
            )
        if (out / source.output).exists() and (out / source.output).resolve() == path.resolve():
            raise AnnotationError(f"{path} would be written over: give another --out")
    return list(sources.values())
