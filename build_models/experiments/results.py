"""Result files: one for each cell, written whole or not at all, and checked field by field when read."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from build_models.errors import BuildError
from build_models.experiments.cells import Cell
from service.artifacts.manifest import Scores


class ResultError(BuildError):
    """A result file that cannot be used; the message names file and field."""


class Machine(BaseModel):
    """Where a cell ran. Times mean something only beside it."""

    model_config = ConfigDict(extra="forbid")

    cpu: str
    cores: int
    libraries: dict[str, str]


class CellResult(BaseModel):
    """What came of a cell. ``scores`` has ``dev`` and ``test``, or a name for each of the other tests.

    ``test, unseen`` leaves out the test sentences that also stand in the training split.
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


def result_path(folder: Path, cell: Cell) -> Path:
    return folder / f"{cell.digest}.json"


def record_path(folder: Path, base: str, digest: str) -> Path:
    """Where the record of a base's pretraining lies: by its digest too, for bases of one name may differ."""
    return folder / f"{base}-{digest[:12]}.json"


def read_result(path: Path) -> CellResult:
    """Raises ``ResultError`` for a file that is cut, or whose cell has another digest than its name says."""
    try:
        result = CellResult.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ResultError(f"{path}: {field or 'contents'}: {first['msg']}") from error
    if result.cell.digest != path.stem:
        raise ResultError(f"{path}: cell: its digest is {result.cell.digest}, not the file's name")
    return result


def write_result(folder: Path, result: CellResult) -> None:
    path = result_path(folder, result.cell)
    draft = path.with_suffix(".new")
    # Without what is by default, as in the digest: a setting that goes one day takes no result with it.
    draft.write_text(result.model_dump_json(indent=1, exclude_defaults=True) + "\n", encoding="utf-8")
    draft.replace(path)


def read_results(folder: Path) -> Iterator[CellResult]:
    """Every result there is. Raises ``ResultError`` for a damaged one."""
    for path in sorted(folder.glob("*.json")):
        yield read_result(path)


def refuse_mixed_data(results: Iterable[CellResult]) -> None:
    """Raises ``ResultError``, naming two files, where a language's data under one name is not the same in both."""
    first: dict[tuple[str, str], Cell] = {}
    for cell in (result.cell for result in results):
        known = first.setdefault((cell.data, cell.language), cell)
        if known.data_digest != cell.data_digest:
            raise ResultError(
                f"cells/{known.digest}.json and cells/{cell.digest}.json: {cell.data}, {cell.language} is"
                f" {known.data_digest[:12]} in one and {cell.data_digest[:12]} in the other: move the results of the"
                " data that is superseded to another folder"
            )
