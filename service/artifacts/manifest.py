"""The artefact format: a folder of weights, tokenizer and ``manifest.json``, written atomically."""

import ctypes
import hashlib
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.ner.schemes import Scheme
from service.variants import Runtime, Variant

Model = TypeVar("Model", bound=BaseModel)

MANIFEST = "manifest.json"
PREVIOUS = ".previous"
"""Folder, next to the artefacts, with a copy of them from before the last build that replaced any."""

FORMAT: Literal[1] = 1

_POINTER = b"version https://git-lfs.github.com/spec/"
POINTER_PROBLEM = "is a Git LFS pointer, not the file itself: run git lfs pull where it was cloned, then copy it again"


class ArtifactError(Exception):
    """An artefact that cannot be served; the message names the file and the problem."""


class FileRecord(BaseModel):
    """Size in bytes and SHA-256 (hexadecimal) of a file."""

    model_config = ConfigDict(extra="forbid")

    bytes: int
    sha256: str


class Scores(BaseModel):
    """Strict IOB2 micro F1 on one split, overall and per language, between 0 and 1."""

    f1: float = Field(allow_inf_nan=False)
    precision: float = Field(allow_inf_nan=False)
    recall: float = Field(allow_inf_nan=False)
    sentences: int
    entities: int
    languages: dict[str, float]


class DataRecord(BaseModel):
    """The data that the build used: labelled, or texts."""

    name: str
    digest: str
    revision: str | None = Field(None, description="Commit of the hub that it came from")


class RecipeRecord(BaseModel):
    """The recipe of an artefact, with all parameters and the seed."""

    name: str
    parameters: dict[str, Any]
    seed: int


class Manifest(BaseModel):
    """The properties, provenance and scores of an artefact."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = FORMAT
    variant: str
    technique: str
    runtime: Runtime
    recipe: RecipeRecord
    parent: str | None = Field(description="Variant or base that it was made from")
    parent_digest: str | None
    base_model: str
    base_revision: str | None
    data: DataRecord | None = Field(description="None where a model was compressed without data")
    labels: list[str] = Field(description="Of the model's head, in its order")
    scheme: Scheme = Field("IOB2", description="What the labels follow; answers are IOB2 in any case")
    languages: list[str]
    max_length: int = Field(ge=8, description="Pieces per window, including special tokens")
    overlap: int = Field(ge=0, description="Pieces shared by neighbouring windows")
    libraries: dict[str, str]
    cpu_features: list[str] = Field(description="CPU features that the artefact requires")
    files: dict[str, FileRecord]
    parameters: int
    nonzero_parameters: int
    sparsity: float = Field(description="Share of zeros among all parameters")
    metrics: dict[str, Scores] = Field(description="By split: dev, test. Empty without labelled data")
    agreement: dict[str, Scores] = Field(
        {}, description="By split, where there are texts and no labels: entities scored against those of dense"
    )
    seconds_per_text: float = Field(description="Median on the build machine, one text at a time")
    build_seconds: float
    built_at: datetime
    inputs: str = Field(description="SHA-256 over all inputs of the build; equal inputs need no new build")
    digest: str = Field(description="SHA-256 over the names and digests of the files; identifies the artefact")

    @property
    def artifact_bytes(self) -> int:
        return sum(record.bytes for record in self.files.values())


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record_files(folder: Path) -> dict[str, FileRecord]:
    """Size and digest of every file in ``folder`` except the manifest, by relative POSIX path."""
    return {
        path.relative_to(folder).as_posix(): FileRecord(bytes=path.stat().st_size, sha256=file_sha256(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def digest_of(files: dict[str, FileRecord]) -> str:
    """SHA-256 over the names and digests of the files."""
    lines = "".join(f"{name} {record.sha256}\n" for name, record in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def is_pointer(path: Path) -> bool:
    """Whether this file is only a Git LFS pointer."""
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER


def refuse_pointer(path: Path) -> None:
    """Raise ``ArtifactError`` for a Git LFS pointer, or ``OSError``."""
    if is_pointer(path):
        raise ArtifactError(f"{path} {POINTER_PROBLEM}")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an artefact. Raises ``ArtifactError`` if it is missing or invalid."""
    path = folder / MANIFEST
    try:
        return read_checked(path, Manifest)
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing: build this variant with python -m build_models") from None


def read_checked(path: Path, model: type[Model]) -> Model:
    """Read a JSON file as ``model``. Raises ``FileNotFoundError``, or ``ArtifactError`` naming file and field."""
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
    """Compare all files with the manifest. Raises ``ArtifactError`` naming the first difference."""
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


def check_variant(variant: Variant, manifest: Manifest, folder: Path) -> None:
    """Raise ``ArtifactError`` unless the folder holds this variant."""
    if (manifest.variant, manifest.runtime) != (variant.name, variant.runtime):
        raise ArtifactError(
            f"{folder} holds {manifest.variant!r} for the runtime {manifest.runtime!r},"
            f" not {variant.name!r} for {variant.runtime!r}"
        )


def publish(
    folder: Path, write: Callable[[Path], Manifest], before_replacing: Callable[[], None] = lambda: None
) -> Manifest:
    """Write an artefact to a temporary folder and move it to ``folder`` in one rename.

    ``write`` fills the given empty folder and returns the manifest, which is written last. If anything fails, the old
    artefact stays in place; otherwise it is deleted, after ``before_replacing`` was called.
    """
    staging = folder.with_name(f".{folder.name}.new")
    remove_folder(staging)
    staging.mkdir(parents=True)
    try:
        manifest = write(staging)
        (staging / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        flush(staging)
        before_replacing()
    except BaseException:
        remove_folder(staging)
        raise
    replace_folder(staging, folder)
    return manifest


def flush(folder: Path) -> None:
    """fsync all files of a folder, so that they are on disk before a rename makes them visible."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_folder(folder: Path) -> None:
    """Delete a folder if it exists, as far as possible; of a symbolic link, only the link."""
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)


def replace_folder(new: Path, folder: Path) -> None:
    """Replace ``folder``, or a symbolic link to one, by ``new`` atomically, and delete the old one."""
    if os.path.lexists(folder):
        exchange_folders(new, folder)
        remove_folder(new)
    else:
        folder.parent.mkdir(parents=True, exist_ok=True)
        new.rename(folder)


def exchange_folders(first: Path, second: Path) -> None:
    """Swap two folders, atomically on Linux; on other systems, ``second`` is missing for a moment."""
    if not _exchange(first, second):
        aside = second.with_name(f".{second.name}.old")
        remove_folder(aside)
        second.rename(aside)
        first.rename(second)
        aside.rename(first)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders with Linux's renameat2; returns False if it is not available."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    current_folder, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(renameat2(current_folder, os.fsencode(first), current_folder, os.fsencode(second), exchange) == 0)
