"""Grids of tiny cells: killed and gone on with, shared by two processes, with failing cells and damaged results."""

import json
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import pytest

from build_models.errors import BuildError
from build_models.experiments.cells import Cell
from build_models.experiments.executors import run_here, run_in_pool, run_on_cluster
from build_models.experiments.grid import run_grid
from build_models.experiments.grids import GRIDS, READ, Named, Study
from build_models.experiments.prepare import keep_languages, keep_records, name_bases, name_corpus
from build_models.experiments.results import (
    ResultError,
    read_commands,
    read_result,
    read_results,
    record_path,
    result_path,
    write_result,
)
from build_models.experiments.run import Outcome, Places, run_cell
from build_models.workspace.workspace import lock
from tests import ROOT
from tests.build_models.experiments.conftest import SENTENCES
from tests.commands import start_command

DEADLINE = 240.0


def start(base: Path, folder: Path, seeds: str, log: str) -> ForkServerProcess:
    """A grid of one dense cell for each seed, by the command itself, which says in ``log`` what it does."""
    options = {
        "--base": base,
        "--languages": "hau",
        "--seeds": seeds,
        "--sample-sentences": SENTENCES,
        "--epochs": 1,
        "--learning-rate": 3e-3,
        "--results": folder / "results",
        "--work": folder / "work",
    }
    arguments = [part for pair in options.items() for part in pair]
    return start_command(["experiments", "pretraining", *arguments], folder / log)


def counts(said: str) -> dict[str, int]:
    """The last line of a grid: how many cells were made, kept, busy and failed."""
    found = re.search(r"pretraining: (\d+) made, (\d+) kept, (\d+) busy, (\d+) failed", said)
    assert found, said
    return dict(zip(("made", "kept", "busy", "failed"), map(int, found.groups()), strict=True))


def test_a_killed_grid_goes_on_and_two_processes_share_the_rest(base: Path, tmp_path: Path) -> None:
    cells = tmp_path / "results" / "cells"
    killed = start(base, tmp_path, "1,2,3", "killed")
    end = time.monotonic() + DEADLINE
    while not list(cells.glob("*.json")):
        assert killed.is_alive(), (tmp_path / "killed").read_text()
        assert time.monotonic() < end
        time.sleep(0.02)
    killed.kill()
    killed.join()
    before = {path: path.stat().st_mtime_ns for path in cells.glob("*.json")}
    assert 1 <= len(before) < 3

    both = [start(base, tmp_path, "1,2,3", log) for log in ("first", "second")]
    for process in both:
        process.join(DEADLINE)
    said = [(tmp_path / log).read_text() for log in ("first", "second")]
    assert [process.exitcode for process in both] == [0, 0], said
    first, second = map(counts, said)
    assert first["made"] + second["made"] == 3 - len(before)
    assert len(list(read_results(cells))) == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    (command,) = read_commands(tmp_path / "results" / "commands")
    assert command.command == (
        f"python -m build_models experiments pretraining --base {base.name} --languages hau --seeds 1,2,3"
        f" --epochs 1 --learning-rate 0.003 --sample-sentences {SENTENCES}"
    )
    assert command.bases == {base.name: next(read_results(cells)).cell.base_digest}


def test_the_same_cell_gives_the_same_scores(dense: Cell, places: Places, tmp_path: Path) -> None:
    first = run_cell(dense, places)
    second = run_cell(dense, replace(places, results=tmp_path, work=tmp_path / "work"))
    assert (first.state, second.state) == ("made", "made"), (first.message, second.message)
    one, other = (read_result(result_path(folder, dense)) for folder in (places.results, tmp_path))
    assert one.scores == other.scores
    assert one.scores.keys() == {"dev", "test", "test, unseen"}


def test_a_failing_cell_is_reported_and_tried_again(
    study: Study, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    too_deep = replace(study, student_layers=[9], temperatures=[2.0])
    cells = list(GRIDS["distillation"](too_deep))
    for _ in range(2):
        outcomes = {outcome.cell.variant: outcome for outcome in run_grid("distillation", cells, places, run_here)}
        assert outcomes["dense"].state in ("made", "kept")
        assert outcomes["distilled"].state == "failed"
        said = capsys.readouterr().err
        assert "A student cannot have 9 layers: its teacher has 2" in said
        assert "1 failed" in said
    failure = result_path(places.results, outcomes["distilled"].cell).with_suffix(".failed")
    assert "BuildError" in failure.read_text(encoding="utf-8")


def test_a_cell_that_works_at_last_leaves_no_trace_of_its_failure(study: Study, places: Places, tmp_path: Path) -> None:
    (cell,) = study.cells("dense", tests="crosslingual")
    failed = run_cell(cell, places)
    assert failed.state == "failed"
    assert "--crosslingual" in failed.message
    for language in ("fon", "bam", "zho"):
        (tmp_path / language).mkdir()
        (tmp_path / language / "test.txt").write_text("Cotonou B-LOC\n. O\n", encoding="utf-8")
    assert run_cell(cell, replace(places, crosslingual=tmp_path)).state == "made"
    path = result_path(places.results, cell)
    assert {"fon", "bam", "zho"} < read_result(path).scores.keys()
    assert not path.with_suffix(".failed").exists()


def test_a_damaged_result_is_named_and_its_cell_runs_again(
    dense: Cell, places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    run_cell(dense, places)
    path = result_path(places.results, dense)
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole[: len(whole) // 2], encoding="utf-8")
    with pytest.raises(ResultError, match=re.escape(str(path))):
        list(read_results(places.results))
    assert run_cell(dense, places).state == "made"
    assert f"{path}: " in capsys.readouterr().err
    path.write_text(whole.replace('"parameters"', '"params"', 1), encoding="utf-8")
    with pytest.raises(ResultError, match="parameters: Field required"):
        read_result(path)
    path.write_text(whole.replace('"seed":1', '"seed":7'), encoding="utf-8")
    with pytest.raises(ResultError, match="its digest is"):
        read_result(path)
    path.write_text(whole, encoding="utf-8")


def test_a_cell_that_another_process_is_at_is_left_to_it(dense: Cell, places: Places, tmp_path: Path) -> None:
    elsewhere = replace(places, results=tmp_path / "cells", work=tmp_path / "work")
    with lock(elsewhere.work / "cells" / f"{dense.digest}.lock"):
        assert run_cell(dense, elsewhere).state == "busy"


def test_cells_run_elsewhere(dense: Cell, study: Study, places: Places) -> None:
    run_cell(dense, places)
    (bad,) = study.cells("distilled", student_layers=9, temperature=3.0)
    in_pool = run_in_pool([dense, bad], places, processes=1)
    assert {outcome.cell: outcome.state for outcome in in_pool} == {dense: "kept", bad: "failed"}
    assert [outcome.state for outcome in run_on_cluster([dense], places, "local", {}, 1)] == ["kept"]


def test_an_unknown_parameter_of_the_cluster_is_refused(dense: Cell, places: Places) -> None:
    with pytest.raises(BuildError, match="local"):
        list(run_on_cluster([dense], places, "local", {"partitoin": "gpu"}, 1))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sparsity": 1.2}, "sparsity 1.2: Input should be less than 1"),
        ({"sparsity": -0.1}, "sparsity -0.1: Input should be greater"),
        ({"temperature": 0.0}, "temperature 0.0"),
        ({"student_layers": 0}, "student_layers 0"),
    ],
)
def test_a_grid_value_out_of_range_is_named(settings: dict[str, float], said: str, study: Study) -> None:
    with pytest.raises(BuildError, match=re.escape(said)):
        list(study.cells("pruned", **settings))


def test_a_cell_s_digest_depends_on_every_setting(dense: Cell) -> None:
    changed = [
        dense.model_copy(update=update)
        for update in ({"seed": 2}, {"sparsity": 0.5}, {"base_digest": "x"}, {"language": "swa"}, {"threads": 2})
    ]
    assert len({cell.digest for cell in [dense, *changed]}) == 6


def test_the_corpus_is_part_of_task_agnostic_cells_alone(study: Study, corpus: Path, tmp_path: Path) -> None:
    agnostic = replace(study, agnostic_steps=5, temperatures=[2.0], student_layers=[1])
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "hau.txt").write_text("Ina kwana\n", encoding="utf-8")
    some = {cell.technique: [cell.digest] for cell in GRIDS["distillation"](agnostic)}
    for corpus_lines, folder in ((None, corpus), (10, corpus), (None, tmp_path / "corpus")):
        read = replace(agnostic, corpus=name_corpus(folder), corpus_lines=corpus_lines)
        for cell in GRIDS["distillation"](read):
            some[cell.technique].append(cell.digest)
    assert {name.split(",")[1] if "," in name else name: len(set(digests)) for name, digests in some.items()} == {
        "dense": 1,
        " task-specific": 1,
        " task-agnostic": 4,
    }


def test_a_task_agnostic_student_is_fine_tuned_as_long_as_a_base(study: Study) -> None:
    cells = GRIDS["distillation"](replace(study, agnostic_steps=5, student_epochs=2))
    assert {(bool(cell.agnostic_steps), cell.student_epochs) for cell in cells if cell.variant == "distilled"} == {
        (False, 2),
        (True, None),
    }


def test_a_corpus_that_changed_is_refused(study: Study, places: Places, corpus: Path) -> None:
    (cell,) = study.cells(
        "distilled", student_layers=1, temperature=2.0, agnostic_steps=1, corpus="corpus", corpus_digest="old"
    )
    failed = run_cell(cell, replace(places, corpus=corpus))
    assert failed.state == "failed"
    assert "the corpus changed" in failed.message


def test_results_of_other_code_are_kept_and_said(
    dense: Cell, places: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_cell(dense, places)
    made = read_result(result_path(places.results, dense))
    write_result(tmp_path, made.model_copy(update={"code": "old"}))
    run_grid("pretraining", [dense], places, run_here)
    assert "other code" not in capsys.readouterr().err
    run_grid("pretraining", [dense], replace(places, results=tmp_path), run_here)
    assert "1 of the kept results were computed by another version" in capsys.readouterr().err


def test_a_base_that_changed_is_refused(study: Study, places: Places, base: Path, tmp_path: Path) -> None:
    copy = tmp_path / "tiny"
    shutil.copytree(base, copy)
    (cell,) = replace(study, bases=list(name_bases([str(copy)])), seeds=[7]).cells("dense")
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    outcome = run_cell(cell, replace(places, bases={"tiny": str(copy)}, results=tmp_path / "cells"))
    assert outcome.state == "failed"
    assert "tiny: the base changed during the grid; start it again" in outcome.message


def test_a_command_is_kept_with_the_first_result(study: Study, places: Places) -> None:
    cells = list(replace(study, seeds=[1, 2, 3, 4]).cells("dense"))
    states: list[Literal["made", "kept", "busy", "failed"]] = ["busy", "failed", "kept", "made"]
    seen = 0
    kept_after: list[int] = []

    def execute(cells: Sequence[Cell], places: Places) -> Iterator[Outcome]:
        nonlocal seen
        for cell, state in zip(cells, states, strict=True):
            seen += 1
            yield Outcome(cell, state)

    run_grid("pretraining", cells, places, execute, lambda: kept_after.append(seen))
    assert kept_after == [3]


def test_two_grids_write_of_their_languages_at_once(base: Path, tmp_path: Path) -> None:
    bases = name_bases([str(base)])
    keep_languages(bases, None, ["swa"], SENTENCES, tmp_path)
    (path,) = tmp_path.glob("*.json")
    with lock(tmp_path, wait=True):
        other = Thread(target=keep_languages, args=(bases, None, ["hau"], SENTENCES, tmp_path))
        other.start()
        other.join(1.0)
        assert other.is_alive(), "it waits for the folder"
        path.write_text(json.dumps({"yor": {}}))
    other.join(DEADLINE)
    assert set(json.loads(path.read_text())) == {"yor", "hau"}


def test_two_grids_write_a_result_at_once(dense: Cell, places: Places, tmp_path: Path) -> None:
    assert run_cell(dense, places).state in ("made", "kept")
    result = read_result(result_path(places.results, dense))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: write_result(tmp_path, result), range(200)))
    assert read_result(result_path(tmp_path, dense)) == result
    assert len(list(tmp_path.iterdir())) == 1


def test_a_grid_reads_the_options_that_it_says(study: Study) -> None:
    """Each option changes the cells of the grids that read it, and no others."""
    other = Named("other", "0")
    study = replace(study, agnostic_steps=3, pocket_epochs=(1, 1), corpus=other, bases=[*study.bases, other])
    changed: dict[str, Any] = {
        "sparsities": [0.4],
        "recovery_epochs": 2,
        "temperatures": [1.5],
        "student_layers": [4],
        "student_heads": [2],
        "student_epochs": 9,
        "agnostic_steps": 7,
        "prune_embeddings": True,
        "corpus": Named("another", "1"),
        "corpus_lines": 9,
        "unseen_sentences": 9,
        "more_seeds": [],
        "noise_share": 0.5,
        "together": ("hau,swa", other),
        "pocket_epochs": (2, 2),
    }
    assert set().union(*READ.values()) == {*changed, "crosslingual"}
    for name, grid in GRIDS.items():
        cells = set(grid(study))
        read = {option for option, value in changed.items() if set(grid(replace(study, **{option: value}))) != cells}
        read |= {"crosslingual"} if any(cell.tests == "crosslingual" for cell in cells) else set()
        assert read == READ[name], name


def test_the_results_of_the_project_keep_their_names() -> None:
    """A new setting of a cell must not change the digests of before: reading checks each against its file's name."""
    assert list(read_results(ROOT / "docs" / "results" / "three-languages" / "cells"))


def test_embeddings_are_pruned_where_asked(study: Study) -> None:
    cells = list(GRIDS["pruning"](replace(study, prune_embeddings=True)))
    assert {cell.prune_embeddings for cell in cells if cell.variant == "pruned"} == {True}
    assert {cell.prune_embeddings for cell in cells if cell.variant == "dense"} == {False}


def test_the_grid_keeps_how_its_base_was_pretrained(study: Study, base: Path, tmp_path: Path) -> None:
    bases = name_bases([str(base)])
    keep_records(bases, tmp_path)
    (named,) = bases
    assert record_path(tmp_path, named.name, named.digest).read_bytes() == (base / "pretraining.json").read_bytes()


def test_what_is_known_of_the_languages_is_written_again_if_it_is_damaged(base: Path, tmp_path: Path) -> None:
    bases = name_bases([str(base)])
    keep_languages(bases, None, ["hau"], SENTENCES, tmp_path)
    (path,) = tmp_path.iterdir()
    written = path.read_bytes()
    path.write_bytes(written[:20])
    keep_languages(bases, None, ["hau"], SENTENCES, tmp_path)
    assert path.read_bytes() == written
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_known_of_the_languages_follows_the_data(base: Path, tmp_path: Path) -> None:
    bases = name_bases([str(base)])
    keep_languages(bases, None, ["hau"], SENTENCES, tmp_path)
    (path,) = tmp_path.iterdir()
    before = json.loads(path.read_text())["hau"]
    keep_languages(bases, None, ["hau"], SENTENCES // 2, tmp_path)
    after = json.loads(path.read_text())["hau"]
    assert after["sentences"] < before["sentences"]
    assert after["data"] != before["data"]


def test_all_grids_have_the_dense_model_to_compare_with(study: Study) -> None:
    for name, grid in GRIDS.items():
        cells = list(grid(study))
        assert any(cell.variant == "dense" for cell in cells), name
        assert len(set(cells)) == len(cells)


def test_a_model_trained_with_noise_is_tested_beside_the_others(study: Study) -> None:
    assert not any(cell.finetune.noise_share for cell in GRIDS["robustness"](study))
    cells = set(GRIDS["robustness"](replace(study, noise_share=0.3))) - set(GRIDS["robustness"](study))
    assert {(cell.variant, cell.tests, cell.finetune.noise_share) for cell in cells} == {("dense", "robustness", 0.3)}


def test_the_grid_of_the_paper_ends_what_the_claims_need_before_anything_else(study: Study) -> None:
    large = Named("large", "l")
    together = ("hau,swa", Named("masakhaner", "both"))
    wide = replace(
        study, bases=[*study.bases, large], seeds=[1, 2], more_seeds=[1], student_layers=[1], noise_share=0.3,
        together=together, pocket_epochs=(1, 2),
    )  # fmt: skip
    cells = list(GRIDS["paper"](wide))
    assert len({cell.digest for cell in cells}) == len(cells)
    beyond = [
        cell
        for cell in cells
        if cell.tests == "robustness"
        or cell.variant in ("distilled-dynamic", "pocket")
        or cell.sparsity in (0.3, 0.8, 0.95)
        or (cell.temperature or 2) > 2
        or "," in cell.language
    ]
    first = cells.index(beyond[0])
    claimed = cells[:first]
    assert not set(claimed) & set(beyond)
    assert [cell.seed for cell in claimed] == sorted(cell.seed for cell in claimed)
    by_seed = [{cell.technique for cell in claimed if cell.seed == seed and cell.variant != "int8"} for seed in (1, 2)]
    assert by_seed[0] == by_seed[1]
    assert {cell.seed for cell in cells[first:]} == {1}
    assert {cell.finetune.noise_share for cell in cells} == {0.0, 0.3}
    assert {cell.language for cell in cells if "," in cell.language} == {"hau,swa"}
    assert any(cell.variant == "pocket" for cell in cells)
