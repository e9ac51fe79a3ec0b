"""Result files: one per cell, written atomically and validated when read."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from build_models.errors import BuildError
from build_models.experiments.calibration import Calibration
from build_models.experiments.cells import Cell
from service.artifacts.manifest import Scores

BASES = "bases"
"""Folder of the records of pretraining, next to the cells."""

COMMANDS = "commands"
"""Folder of the commands that were run, next to the cells."""


class ResultError(BuildError):
    """An invalid result file; the message names the file and field."""


class Machine(BaseModel):
    """The machine that a cell ran on; times are comparable only on one machine."""

    model_config = ConfigDict(extra="forbid")

    cpu: str
    cores: int
    libraries: dict[str, str]
    accelerator: str | None = Field(None, description="GPU that trained, in bfloat16; models are timed on the CPU")


class CellResult(BaseModel):
    """The result of a cell. ``scores`` has ``dev``, ``test`` and one entry for each additional test.

    ``test, unseen`` leaves out test sentences that also occur in the training split. ``calibration`` is None for
    ``int8``, for cells that are not tested on their own language alone, and if the model finds no entities.
    """

    model_config = ConfigDict(extra="forbid")

    cell: Cell
    scores: dict[str, Scores]
    artifact_bytes: int
    parameters: int
    nonzero_parameters: int
    seconds_per_text: float
    seconds: float
    machine: Machine
    code: str
    calibration: Calibration | None = None


class Pretraining(BaseModel):
    """How a base was pretrained: the record that ``pretrain`` leaves with it."""

    settings: dict[str, Any]
    corpus: dict[str, dict[str, Any]]
    seconds: float

    @property
    def recipe(self) -> str:
        """What a base is made from. The same recipe gives other weights on another kind of CPU."""
        settings = {name: value for name, value in self.settings.items() if name != "threads"}
        return json.dumps([settings, self.corpus], sort_keys=True)


class Command(BaseModel):
    """A command that was run, with the digests of its bases by their names."""

    model_config = ConfigDict(extra="forbid")

    command: str
    bases: dict[str, str]


def result_path(folder: Path, cell: Cell) -> Path:
    return folder / f"{cell.digest}.json"


def record_path(folder: Path, base: str, digest: str) -> Path:
    """Path of the record of a base's pretraining. The digest separates bases of the same name."""
    return folder / f"{base}-{digest[:12]}.json"


def read_result(path: Path) -> CellResult:
    """Read a result. Raises ``ResultError`` if the file is damaged or its name is not its cell's digest."""
    try:
        result = CellResult.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ResultError(f"{path}: {fault(error)}") from error
    if result.cell.digest != path.stem:
        raise ResultError(f"{path}: cell: its digest is {result.cell.digest}, which is not the file name")
    return result


def write_result(folder: Path, result: CellResult) -> None:
    # Defaults are left out, as in the digest, so that removing a setting keeps results valid.
    text = result.model_dump_json(exclude_defaults=True) + "\n"
    write_whole(result_path(folder, result.cell), text.encode())


def read_results(folder: Path) -> Iterator[CellResult]:
    """All results in a folder. Raises ``ResultError`` for a damaged file."""
    for path in sorted(folder.glob("*.json")):
        yield read_result(path)


def keep_command(folder: Path, command: Command) -> None:
    """Write the record of a command; the same command has one."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (command.model_dump_json() + "\n").encode()
    write_whole(folder / f"{hashlib.sha256(text).hexdigest()[:20]}.json", text)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file at once; others that share the folder may write the same one."""
    draft = path.with_suffix(f".{uuid4().hex}")
    draft.write_bytes(content)
    draft.replace(path)


def read_commands(folder: Path) -> list[Command]:
    """The commands that were run, in alphabetical order. Raises ``ResultError`` for a damaged record."""
    commands = []
    for path in folder.glob("*.json"):
        try:
            commands.append(Command.model_validate_json(path.read_bytes()))
        except ValidationError as error:
            raise ResultError(f"{path} is damaged: delete it and run the command again") from error
    return sorted(commands, key=lambda some: (some.command, sorted(some.bases.items())))


def read_pretraining(folder: Path, base: str, digest: str) -> Pretraining | None:
    """The record of a base's pretraining; None if it has none. Raises ``ResultError`` if the record is damaged."""
    path = record_path(folder, base, digest)
    try:
        return Pretraining.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise damaged_record(path, fault(error)) from error


def fault(error: ValidationError) -> str:
    """The first field that is wrong, and why."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'contents'}: {first['msg']}"


def damaged_record(path: Path, why: object) -> ResultError:
    return ResultError(f"{path} is damaged ({why}): copy the base's pretraining.json there again")


def read_equal_codes(folder: Path) -> list[list[str]]:
    """Sets of code digests that give the same scores, from ``codes.json`` beside the results; none without it."""
    path = folder / "codes.json"
    if not path.exists():
        return []
    try:
        return TypeAdapter(list[list[str]]).validate_json(path.read_bytes())
    except ValidationError as error:
        raise ResultError(f"{path} is no list of lists of code digests: {error.errors()[0]['msg']}") from error


def refuse_mixed_data(results: Iterable[CellResult]) -> None:
    """Raise ``ResultError``, naming two files, if they used different data of one name and language."""
    first: dict[tuple[str, str], Cell] = {}
    for cell in (result.cell for result in results):
        known = first.setdefault((cell.data, cell.language), cell)
        if known.data_digest != cell.data_digest:
            raise ResultError(
                f"cells/{known.digest}.json and cells/{cell.digest}.json used different data for {cell.data},"
                f" {cell.language} ({known.data_digest[:12]} and {cell.data_digest[:12]}): move the results of the old"
                " data to another folder"
            )
