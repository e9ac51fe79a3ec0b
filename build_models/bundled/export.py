"""Turns a trained checkpoint into a pipeline, and into the folder that is shipped."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from build_models.artifacts.portable import compact_json
from build_models.artifacts.scores import open_pipeline
from build_models.bundled.pieces import FORMS
from build_models.bundled.teaching import LABEL_LIST, MAX_LENGTH, OVERLAP
from build_models.errors import BuildError
from build_models.workspace.workspace import KEY
from service.artifacts.manifest import file_sha256, flush, replace_folder
from service.ner.pipeline import Pipeline

CARD = "README.md"
DIGESTS = "sha256.txt"
DIGEST = re.compile("[0-9a-f]{64}")
NOT_DIGESTED = frozenset({CARD, DIGESTS})


def served(export: Path, threads: int = 1) -> Pipeline:
    """The model as the service runs it, from the folder of its ONNX file."""
    return open_pipeline(export, "onnx", LABEL_LIST, MAX_LENGTH, OVERLAP, threads)


def finish(student: Path, folder: Path, describe: Callable[[Path], None]) -> Path:
    """Lay the student out as the folder that is shipped: an ordinary checkpoint, its card, and its digests.

    ``describe`` writes the card. The folder is replaced in one rename.
    """
    draft = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for path in student.iterdir():
        if path.name not in (KEY, FORMS):
            shutil.copy(path, draft / path.name)
            (draft / path.name).chmod(0o644)
    compact_json(draft / "tokenizer.json")
    write_digests(draft)
    describe(draft)
    flush(draft)
    replace_folder(draft, folder)
    return folder


def write_digests(folder: Path) -> None:
    """Record SHA-256 of every file but the card, as ``sha256sum`` does."""
    lines = [
        f"{file_sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir()) if path.name not in NOT_DIGESTED
    ]
    (folder / DIGESTS).write_text("".join(lines), encoding="utf-8")


def check_model(folder: Path) -> None:
    """Raise ``BuildError`` naming a file of the model that is missing or not what was shipped."""
    try:
        lines = (folder / DIGESTS).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise BuildError(f"{folder}: {DIGESTS} cannot be read ({error.strerror}): reinstall Kidogo") from error
    for line in lines:
        digest, _, name = line.partition("  ")
        if not DIGEST.fullmatch(digest) or name != Path(name).name:
            raise BuildError(
                f"{folder / DIGESTS} is not a list of SHA-256 digests: the model is damaged, or that of a newer Kidogo."
                " Reinstall Kidogo, or make the model again"
            )
        path = folder / name
        if not path.is_file():
            raise BuildError(f"{path} is missing: reinstall Kidogo, or make the model again")
        if file_sha256(path) != digest:
            raise BuildError(f"{path} is damaged (its SHA-256 is another): reinstall Kidogo, or make the model again")
