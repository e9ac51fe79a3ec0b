"""The plan of a grid: what it costs, in which order, in pieces; and a grid that stops in time."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from build_models.__main__ import cli
from build_models.errors import BuildError
from build_models.experiments.executors import run_here
from build_models.experiments.grids import GRIDS, Named, Study
from build_models.experiments.plan import H200, Accelerator, Base, base_of, described, in_runs, plan
from build_models.experiments.prepare import name_data
from build_models.experiments.run import Places
from tests.build_models.experiments.conftest import SENTENCES

# Every operation counts, and nothing else does.
EXACT = Accelerator("a calculator", peak=1e6, used=1.0, step_seconds=0.0, cell_seconds=0.0)


def test_operations_of_afriberta_s_dimensions() -> None:
    base = Base(4 * 768**2 + 2 * 768 * 3072, 8, 768, 70_006)
    # Twelve times the width squared in a layer, two operations each.
    assert base.products(1000, 0.0) == 1000 * 8 * 2 * 12 * 768**2
    assert base.products(1000, 40.0, layers=1) == 1000 * (2 * 12 * 768**2 + 4 * 40 * 768)


def test_each_model_is_trained_once(study: Study, places: Places) -> None:
    dense, int8, dynamic = plan(GRIDS["quantization"](study), places, EXACT)
    assert dense.operations > int8.operations == dynamic.operations > 0
    assert dense.seconds == pytest.approx((dense.operations - int8.operations) / 1e6)
    longer = replace(study, finetune=replace(study.finetune, epochs=3))
    (three, *_) = plan(GRIDS["quantization"](longer), places, EXACT)
    assert three.seconds == pytest.approx(3 * dense.seconds)


def test_training_costs_six_operations_a_weight_and_piece(study: Study, places: Places) -> None:
    before = replace(study, sparsities=[0.5, 0.6])
    steps = list(plan(GRIDS["pruning"](before), places, EXACT))
    costs = {step.cell.technique: step.seconds for step in steps}
    assert costs["pruned 50% before"] == costs["pruned 60% before"] == costs["dense"]
    assert costs["pruned 50% after"] == 0.0
    base = base_of(places.bases["tiny"])
    (student, *_) = [
        step
        for step in plan(GRIDS["distillation"](replace(study, student_layers=[1])), places, EXACT)
        if step.cell.variant == "distilled"
    ]
    # The teacher forward and one of its layers forward and backward, for as many epochs (one).
    share = (base.layers + 3 * 1) / (3 * base.layers)
    assert student.seconds == pytest.approx(share * costs["dense"])


def test_a_base_that_is_no_folder_and_no_shape_is_refused() -> None:
    with pytest.raises(BuildError, match="--plan needs the folder of a base or a shape, and castorini/afriberta_base"):
        base_of("castorini/afriberta_base")


def test_a_shape_is_planned_for_without_a_base(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pieces are estimated by words; with AfriBERTa's shapes, no base needs to be named."""
    assert base_of("base") == Base(4 * 768**2 + 2 * 768 * 3072, 8, 768, 70_006)
    monkeypatch.chdir(tmp_path)
    options = ["--plan", "--languages", "hau", "--seeds", "1", "--sample-sentences", "40"]
    said = CliRunner().invoke(cli, ["experiments", "paper", *options, "--student-layers", "5"])
    assert said.exit_code == 0, said.output
    assert "of the shapes base, large with 70,006 pieces; assumed: 1.5 pieces a word" in said.output
    shared = ["experiments", "quantization", *options]
    tiny, folder = (CliRunner().invoke(cli, [*shared, "--base", name]).output for name in ("tiny", str(base)))
    there, here = (float(lines.split(" floating-point")[0].split()[-1]) for lines in (tiny, folder))
    assert 0.5 < there / here < 2
    missing = CliRunner().invoke(cli, ["experiments", "paper"])
    assert missing.exit_code == 2
    assert "name a base" in missing.output


def test_a_student_base_is_taught_once_for_all_languages(study: Study, places: Places) -> None:
    several = replace(
        study,
        data=name_data(None, ["hau", "swa"], SENTENCES),
        student_layers=[1],
        temperatures=[2.0],
        agnostic_steps=10,
        corpus=Named("texts", "their digest"),
    )

    def of_students(study: Study) -> list[float]:
        steps = list(plan(GRIDS["distillation"](study), places, EXACT))
        tuned = [step.seconds / base.layers for step in steps if step.cell.variant == "dense"]
        students = [step.seconds for step in steps if step.cell.agnostic_steps]
        return [student - once for student, once in zip(students, tuned, strict=True)]

    base = base_of(places.bases["tiny"])
    # Rows of 160 pieces, of which 1536 have room for nine.
    pieces = 10 * 9 * 160
    head = 0.15 * pieces * 2 * (base.width**2 + base.width * base.vocabulary)
    taught = base.products(pieces, 160.0) + head + 3 * (base.products(pieces, 160.0, 1) + head)
    first, second = of_students(several)
    assert first == pytest.approx(taught / 1e6)
    assert second == pytest.approx(0.0)
    # The texts of a language are those of its training split.
    assert of_students(replace(several, corpus=None)) == pytest.approx([taught / 1e6, taught / 1e6])
    assert of_students(replace(several, agnostic_steps=30))[0] == pytest.approx(3 * taught / 1e6)


def test_pieces_fit_and_lose_nothing(study: Study, places: Places) -> None:
    steps = list(plan(GRIDS["paper"](replace(study, student_layers=[1])), places, H200))
    runs = in_runs(steps, 60.0)
    assert [step for run in runs for step in run] == steps
    assert len(runs) > 1
    for run in runs:
        assert len(run) == 1 or sum(step.seconds for step in run) <= 60.0
    done = {steps[0].cell: 1500}
    said = list(described(steps, H200, 1.0, done))
    assert said[0].startswith(f"{len(steps)} cells, 1 done; ")
    assert "a result file has 1.5 kB on average" in said
    assert not [line for line in said if line.startswith(f"  {steps[0].cell}, own:")]
    assert len([line for line in said if line.startswith("  ")]) == len(steps) - 1


def test_a_plan_makes_nothing(base: Path, tmp_path: Path) -> None:
    options = ["--languages", "hau", "--seeds", "1", "--sample-sentences", "12", "--student-layers", "1"]
    folders = ["--results", str(tmp_path / "results"), "--work", str(tmp_path / "work")]
    said = CliRunner().invoke(cli, ["experiments", "paper", "--plan", "--base", str(base), *options, *folders])
    assert said.exit_code == 0, said.output
    assert "min to go on one NVIDIA H200" in said.output
    assert not list(tmp_path.iterdir())


def test_no_cell_begins_after_its_time(study: Study, places: Places) -> None:
    cells = list(GRIDS["quantization"](study))
    assert list(run_here(cells, places, minutes=0.0)) == []
