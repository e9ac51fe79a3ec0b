"""The page of a whole grid, with results drawn around a known truth: its questions, power and one command."""

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from build_models.errors import BuildError
from build_models.experiments.calibration import Calibration
from build_models.experiments.grids import GRIDS, Named, Study
from build_models.experiments.report.figures import Row
from build_models.experiments.report.inference import correlation
from build_models.experiments.report.languages import highest
from build_models.experiments.report.page import write_page
from build_models.experiments.report.power import variances
from build_models.experiments.results import CellResult, Machine, write_result
from build_models.settings import FinetuneSettings
from service.artifacts.manifest import Scores

LANGUAGES = ["amh", "hau", "ibo", "kin", "lug", "luo"]
MACHINE = Machine(cpu="AMD EPYC", cores=2, libraries={"torch": "2.13.0"})


def scores(f1: float, *languages: str) -> Scores:
    return Scores(f1=f1, precision=f1, recall=f1, sentences=9, entities=9, languages=dict.fromkeys(languages, f1))


@pytest.fixture(scope="module")
def grid() -> list[CellResult]:
    """What pruning costs grows with sparsity, and more after fine-tuning and in each language after the first."""
    study = Study(
        bases=[Named("study", "s"), Named("large", "l")],
        data=[(language, Named("masakhaner", language)) for language in LANGUAGES],
        seeds=[1, 2],
        more_seeds=[1],
        noise_share=0.3,
        together=(",".join(LANGUAGES), Named("masakhaner", "all")),
        finetune=FinetuneSettings(epochs=3, learning_rate=3e-3, hidden_share=0.0).regularized(),
        student_layers=[1],
        pocket_epochs=(1, 2),
    )
    draw = random.Random(5)

    def results(cells: Any) -> Iterator[CellResult]:
        for cell in cells:
            place = LANGUAGES.index(cell.languages[0])
            lost = cell.sparsity**4 * (0.3 if cell.prune_after else 0.02 * (1 + place)) + 0.02 * (cell.outliers > 100)
            f1 = 0.6 + 0.02 * place - lost + draw.gauss(0.0, 0.004)
            names = {
                "own": ["test, unseen"],
                "crosslingual": ["fon", "bam", "zho"],
                "robustness": ["typos", "lower case"],
            }[cell.tests]
            yield CellResult(
                cell=cell,
                scores={name: scores(f1, *cell.languages) for name in ["dev", "test", *names]},
                artifact_bytes=int(4e6 * (1 - cell.sparsity / 2)),
                parameters=750 if cell.variant == "distilled" else 1000 + 100 * (cell.base == "large"),
                nonzero_parameters=700,
                seconds_per_text=0.001,
                seconds=3.0,
                machine=MACHINE,
                code="c",
                calibration=Calibration(entities=90, score=0.9, right=0.8 - lost, error=0.1 + lost),
            )

    return list(results(GRIDS["paper"](study))) + list(
        results(
            cell for cell in GRIDS["int8"](study) if cell.seed == 1 and cell.base == "study" and cell.variant == "int8"
        )
    )


@pytest.fixture
def folder(grid: list[CellResult], tmp_path: Path) -> Path:
    (tmp_path / "cells").mkdir()
    (tmp_path / "languages").mkdir()
    for entry in grid:
        write_result(tmp_path / "cells", entry)
    facts = {
        language: {"sentences": 1000, "words": 9, "pieces_per_word": 1 + place / 10, "latin": 1.0}
        for place, language in enumerate(LANGUAGES)
    }
    (tmp_path / "languages" / "study-s.json").write_text(json.dumps(facts), encoding="utf-8")
    return tmp_path


def test_the_page_of_a_whole_grid(folder: Path) -> None:
    page = write_page(folder).read_text(encoding="utf-8")
    titles = [line for line in page.splitlines() if line.startswith("## ")]
    assert titles[:9] == [
        "## Verdicts (base `study`)",
        "## Power",
        "## Which sparsity is best for which language?",
        "## Does the smaller teacher teach better?",
        "## Does compression help in languages without fine-tuning?",
        "## Does compression make models less robust to noise?",
        "## One model of all languages, or one of each?",
        "## Are scores still calibrated after compression?",
        "## Can LLM.int8()'s loss of 4.7% be produced at all?",
    ]
    for name in ("size", "languages", "noise", "calibration", "int8"):
        assert f"({name}.svg)" in page
        assert (folder / f"{name}.svg").stat().st_size > 1000
    assert "| From 70% sparsity on, pruning before fine-tuning is better than after |" in page
    (outliers,) = [line for line in page.splitlines() if line.startswith("| int8, activations with outliers x 1000 |")]
    assert "-" in outliers.split("|")[2]
    assert page.count("| dense, trained with noise |") == 2, "what noise costs it, and its scores"
    # The one model has the F1 of the first language in all of them, the others gain two points with each.
    one_model = page.partition("## One model of all languages, or one of each?")[2].partition("\n## ")[0]
    (alike,) = [line for line in one_model.splitlines() if line.startswith("| dense |")]
    assert float(alike.split("|")[4].split()[0]) == pytest.approx(-5, abs=2)
    dense, *_ = [line for line in page.splitlines() if line.startswith("| int8 |")]
    assert dense, "the usual settings are in the tables"
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    write_page(folder)
    assert {path: path.read_bytes() for path in before} == before


def test_what_is_lost_goes_with_what_it_was_made_to_go_with(folder: Path) -> None:
    page = write_page(folder).read_text(encoding="utf-8")
    pieces, sentences, _ = [
        line
        for line in page.splitlines()
        if "| pieces per word |" in line or line.startswith("| training") or line.startswith("| share")
    ][-3:]
    assert pieces.split("|")[-2].strip().startswith("-"), "languages with more pieces lose more"
    assert "nan" in sentences, "a constant goes with nothing"


def test_damaged_facts_are_named(folder: Path) -> None:
    path = folder / "languages" / "study-s.json"
    path.write_text(path.read_text(encoding="utf-8")[:40], encoding="utf-8")
    with pytest.raises(BuildError, match=r"study-s\.json is damaged"):
        write_page(folder)


def test_rank_correlation() -> None:
    assert correlation([1, 2, 3, 4], [10, 20, 30, 99])[0] == pytest.approx(1.0)
    # Spearman of a permutation: 1 - 6 Σd² / (n (n² - 1)).
    assert correlation([1, 2, 3, 4, 5], [2, 1, 4, 3, 5])[0] == pytest.approx(1 - 6 * 4 / 120)
    assert correlation([1, 1, 2, 3], [1, 1, 2, 3])[0] == pytest.approx(1.0), "ties share their rank"
    assert math.isnan(correlation([1, 1, 1, 1], [1, 2, 3, 4])[0])


def test_the_interval_of_a_rank_correlation_holds_the_truth() -> None:
    draw = random.Random(6)
    missed = 0
    for _ in range(1000):
        _, low, high = correlation([draw.random() for _ in range(10)], [draw.random() for _ in range(10)])
        missed += not low <= 0 <= high
    assert missed / 1000 < 0.08


def test_the_spread_is_split_into_languages_and_seeds(grid: list[CellResult]) -> None:
    draw = random.Random(7)
    usual = grid[0].cell

    def row(noise: float, **settings: Any) -> Row:
        own = {language: 0.5 + draw.gauss(0.0, noise) for language in map(str, range(80))}
        return Row(
            [
                grid[0].model_copy(
                    update={
                        "cell": usual.model_copy(update={"language": language, "seed": seed, **settings}),
                        "scores": {"test": scores(mean + draw.gauss(0.0, 0.004), language)},
                    }
                )
                for language, mean in own.items()
                for seed in (1, 2, 3)
            ]
        )

    spread = variances(row(0.01, sparsity=0.5), row(0.0))
    assert spread is not None
    assert spread[0] == pytest.approx(1.0**2, rel=0.4)
    # A difference of two results with a deviation of 0.4 points each.
    assert spread[1] == pytest.approx(2 * 0.4**2, rel=0.25)


def test_the_highest_sparsity_comes_before_the_first_loss() -> None:
    assert highest({0.3: 0.2, 0.5: -0.9, 0.7: -1.1, 0.9: -0.5}) == 0.5
    assert highest({0.3: -2.0, 0.5: 0.0}) == 0.0
