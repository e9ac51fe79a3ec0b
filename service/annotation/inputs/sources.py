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
        """Raises ``OSError``."""
        if not is_folder(self.path):
            return [self.path]
        found = []
        for folder, folders, names in os.walk(self.path, onerror=_raise):
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".") and (Path(folder) / name).resolve() != apart_from.resolve()
            )
            found += [Path(folder) / name for name in names if Path(name).suffix.lower() in ENDINGS]
        return sorted(file for file in found if not file.name.startswith("."))

    def records(self, how: Reading, out: Path) -> Iterator[Record]:
        """Raises ``InputError``; of a folder, a file that cannot be read is a record with a problem."""
        if not is_folder(self.path):
            yield from read_file(self.path, str(self.path), how)
            return
        try:
            files = self.files(out)
        except OSError as error:
            raise InputError(f"{error.filename} cannot be read: {error.strerror}") from None
        if not files:
            raise InputError(f"no file in this folder ends in {', '.join(ENDINGS)}")
        for file in files:
            name = str(file.relative_to(self.path))
            try:
                yield from read_file(file, name, how)
            except InputError as error:
                yield Record(str(file), "", b"", 0, str(error))

    def size(self, out: Path) -> int:
        """Of what can be read of it, in bytes."""
        try:
            return sum(file.stat().st_size for file in self.files(out) if file.is_file())
        except OSError:
            return 0


def is_folder(path: Path) -> bool:
    """Not whether it can be read: that is said where it is read."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _raise(error: OSError) -> None:
    raise error


def find_sources(paths: Sequence[Path], suffix: str, out: Path) -> list[Source]:
    """The inputs with the names of their outputs. Raises ``AnnotationError`` if two would be the same file."""
    sources: dict[str, Source] = {}
    for path in paths:
        name = path.resolve().name if is_folder(path) else path.stem
        source = Source(path, f"{name}{suffix}")
        other = sources.setdefault(source.output, source)
        if other is not source:
            raise AnnotationError(
                f"{other.path} and {path} would both be written to {out / source.output}:"
                " run the command for each with a separate --out, or pass the folder that contains both"
            )
        if (out / source.output).exists() and (out / source.output).resolve() == path.resolve():
            raise AnnotationError(f"{path} would be written over: give another --out")
    return list(sources.values())
