"""The artefact contract: a folder of weights, tokenizer and ``manifest.json``, written whole or not at all."""

import ctypes
import hashlib
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.variants import Runtime

Model = TypeVar("Model", bound=BaseModel)

MANIFEST = "manifest.json"
PREVIOUS = ".previous"
"""The folder, among the artefacts, of those that the last build replaced."""

FORMAT: Literal[1] = 1

_POINTER = b"version https://git-lfs.github.com/spec/"
POINTER_PROBLEM = "is a Git LFS pointer, not the file itself: run git lfs pull where it was cloned, then copy it again"


class ArtifactError(Exception):
    """An artefact that cannot be served; the message names the file and says what is wrong with it."""


class FileRecord(BaseModel):
    """Size in bytes and SHA-256 (hexadecimal) of one file of the artefact."""

    model_config = ConfigDict(extra="forbid")

    bytes: int
    sha256: str


class Scores(BaseModel):
    """Strict IOB2 micro F1 on one split, overall and per language, between 0 and 1."""

    f1: float
    precision: float
    recall: float
    sentences: int
    entities: int
    languages: dict[str, float]


class DataRecord(BaseModel):
    """The labelled data that the build used."""

    name: str
    digest: str


class RecipeRecord(BaseModel):
    """Which recipe made the artefact, with every parameter and the seed."""

    name: str
    parameters: dict[str, Any]
    seed: int


class Manifest(BaseModel):
    """What an artefact is, how it was made, and what it scored."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = FORMAT
    variant: str
    technique: str
    runtime: Runtime
    recipe: RecipeRecord
    parent: str | None = Field(description="Variant or base that this one was made from")
    parent_digest: str | None
    base_model: str
    base_revision: str | None
    data: DataRecord
    labels: list[str]
    languages: list[str]
    max_length: int = Field(ge=8, description="Pieces of one window, special tokens included")
    overlap: int = Field(ge=0, description="Pieces that neighbouring windows share")
    libraries: dict[str, str]
    cpu_features: list[str] = Field(description="CPU features that the artefact needs to give its stated answers")
    files: dict[str, FileRecord]
    parameters: int
    nonzero_parameters: int
    sparsity: float = Field(description="Share of zeros among all parameters")
    metrics: dict[str, Scores] = Field(description="By split: dev, test")
    seconds_per_text: float = Field(description="Median on the build machine, one text at a time")
    build_seconds: float
    built_at: datetime
    inputs: str = Field(
        description="SHA-256 over everything that the artefact was made from; equal inputs, no new build"
    )
    digest: str = Field(description="SHA-256 over the files' names and digests: the artefact's identity")

    @property
    def artifact_bytes(self) -> int:
        return sum(record.bytes for record in self.files.values())


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record_files(folder: Path) -> dict[str, FileRecord]:
    """Size and digest of every file under ``folder`` but the manifest, by relative POSIX path."""
    return {
        path.relative_to(folder).as_posix(): FileRecord(bytes=path.stat().st_size, sha256=file_sha256(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def digest_of(files: dict[str, FileRecord]) -> str:
    """The identity of a set of files: SHA-256 over their names and digests."""
    lines = "".join(f"{name} {record.sha256}\n" for name, record in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def is_pointer(path: Path) -> bool:
    """Whether Git LFS has left its pointer here in place of the file."""
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER


def refuse_pointer(path: Path) -> None:
    """Raise ``ArtifactError`` for a pointer of Git LFS, and ``OSError``."""
    if is_pointer(path):
        raise ArtifactError(f"{path} {POINTER_PROBLEM}")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an artefact. Raises ``ArtifactError`` if it is missing or not a manifest."""
    path = folder / MANIFEST
    try:
        return read_checked(path, Manifest)
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing: build this variant with python -m build_models") from None


def read_checked(path: Path, model: type[Model]) -> Model:
    """A JSON file of an artefact as ``model``. Raises ``ArtifactError`` naming file and field, and
    ``FileNotFoundError``.
    """
    try:
        refuse_pointer(path)
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ArtifactError(f"{path} cannot be read: {field or 'contents'}: {first['msg']}") from error


def verify(folder: Path, manifest: Manifest) -> None:
    """Compare every file with the manifest. Raises ``ArtifactError`` naming the first that differs or is not in it."""
    for name, record in manifest.files.items():
        path = folder / name
        if "\0" in name or not path.resolve().is_relative_to(folder.resolve()):
            raise ArtifactError(f"{folder / MANIFEST} names a file outside the artefact: {name!r}")
        try:
            refuse_pointer(path)
            size = path.stat().st_size
            if size != record.bytes:
                raise ArtifactError(f"{path} has {size} bytes where its manifest says {record.bytes}: build it again")
            if file_sha256(path) != record.sha256:
                raise ArtifactError(f"{path} does not match the SHA-256 in its manifest: build it again")
        except OSError as error:
            raise ArtifactError(f"{path} cannot be read ({error.strerror}): build it again") from error
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not (path.is_dir() and not path.is_symlink()) and name != MANIFEST and name not in manifest.files:
            raise ArtifactError(f"{path} is not in the manifest: build it again")
    if digest_of(manifest.files) != manifest.digest:
        raise ArtifactError(f"{folder / MANIFEST}: its digest does not match its list of files: build it again")


def publish(folder: Path, write: Callable[[Path], Manifest]) -> Manifest:
    """Make an artefact in a folder beside ``folder`` and move it into place in one rename.

    ``write`` fills the given empty folder and returns the manifest, which is written last. Whatever is interrupted
    leaves the earlier artefact as it was. One that is replaced is kept in ``PREVIOUS``.
    """
    staging = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        manifest = write(staging)
        (staging / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        flush(staging)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    replace_folder(staging, folder, folder.parent / PREVIOUS / folder.name)
    return manifest


def flush(folder: Path) -> None:
    """Ask the disk to keep every file of a folder, so that a rename never outlives the contents it points to."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace_folder(new: Path, folder: Path, keep: Path | None = None) -> None:
    """Put ``new`` in the place of ``folder`` in one rename, so that a reader finds the old one or the new one.

    The old one goes to ``keep``, if given, and is removed otherwise.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        new.rename(folder)
        return
    exchange_folders(new, folder)
    if keep is None:
        shutil.rmtree(new, ignore_errors=True)
    else:
        replace_folder(new, keep)


def exchange_folders(first: Path, second: Path) -> None:
    """Swap two folders in one step; where the system has none, there is no ``second`` for a moment."""
    if not _exchange(first, second):
        aside = second.with_name(f".{second.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        second.rename(aside)
        first.rename(second)
        aside.rename(first)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders by Linux's renameat2; False where there is none."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    current_folder, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(renameat2(current_folder, os.fsencode(first), current_folder, os.fsencode(second), exchange) == 0)
