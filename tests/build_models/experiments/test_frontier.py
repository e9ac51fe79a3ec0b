"""The frontier at a tiny size: every part is measured, and the page says what it was."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
from typer.testing import CliRunner

from build_models.__main__ import cli
from build_models.bases.shapes import Shape
from build_models.data.sample.generate import generate_sample
from build_models.experiments.report.frontier import Part, Row, measure, parts, summary
from build_models.recipes.pocket.pocket import CANDIDATES
from build_models.settings import BuildSettings, FinetuneSettings, PocketSettings
from tests.build_models.classifiers import write_classifier


@pytest.fixture
def settings(tmp_path: Path) -> BuildSettings:
    write_classifier(tmp_path / "model", architecture="bert")
    lines = [" ".join(sentence.words) for sentence in generate_sample(["swa"], 1, 150).train]
    (tmp_path / "texts.txt").write_text("\n".join(lines), encoding="utf-8")
    return BuildSettings(
        model=str(tmp_path / "model"),
        texts=tmp_path / "texts.txt",
        model_scheme="IOB2",
        max_length=64,
        overlap=16,
        finetune=FinetuneSettings.of_given(),
        pocket=PocketSettings(hidden_epochs=1, epochs=0),
        threads=1,
    )


def test_every_part_is_measured(settings: BuildSettings, tmp_path: Path) -> None:
    (rows,) = measure(settings, [str(settings.model)], shapes=False, out=tmp_path / "out")
    by_name = {row.name: row for row in rows}
    dense, everything = rows[0], next(row for row in rows if row.name.startswith("all: "))
    assert dense.difference == 0
    assert dense.f1 == 1.0, "where nothing is labelled, figures are of agreement with dense"
    for smaller in rows[1:7]:
        assert everything.megabytes < smaller.megabytes < dense.megabytes
    assert by_name["all, untaught"].f1 == by_name["all, without the first step of teaching"].f1, "epochs are 0"
    assert by_name["all, without the second step"].f1 == everything.f1
    assert all(row.resident_megabytes > 0 and row.milliseconds > 0 for row in rows)
    assert all(row.interval[0] <= row.difference <= row.interval[1] for row in rows)
    (written,) = json.loads((tmp_path / "out" / "frontier.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in written] == [row.name for row in rows]
    page = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert all(f"| {row.name} |" in page for row in rows)
    assert "agreement with dense" in page
    assert "bootstrap interval over sentences" in page
    assert (tmp_path / "out" / "frontier.svg").read_text(encoding="utf-8").startswith("<?xml")


def row(difference: dict[str, float], megabytes: float) -> Row:
    return Row("all", megabytes, 1.0, 10.0, 0.7, fmean(difference.values()), (-1.0, 1.0), difference)


def test_several_models_give_an_interval_over_models() -> None:
    merged = summary([row({"hau": -0.01, "swa": -0.02}, 2.0), row({"hau": -0.03, "swa": -0.02}, 4.0)])
    assert merged.megabytes == 3.0
    assert merged.difference == pytest.approx(-0.02)
    assert merged.languages == pytest.approx({"hau": -0.02, "swa": -0.02})
    # The standard error of -1.5 and -2.5 points is 0.5; Student's t with 1 degree of freedom is 12.706 at 97.5%.
    assert merged.interval == pytest.approx((-0.02 - 0.06353, -0.02 + 0.06353), abs=1e-4)


def test_one_model_keeps_its_bootstrap_interval() -> None:
    alone = row({"hau": -0.01}, 2.0)
    assert summary([alone]) == alone


def test_the_parts_are_one_change_each() -> None:
    own, small = Shape(768, 8, 6, 3072), Shape(256, 4, 2, 1024)
    rows = {part.name: part for part in parts(own, small, [own, Shape(384, 4, 3, 1536), small])}
    assert rows["fewer pieces"] == Part("fewer pieces", True, own, None)
    assert rows["fewer layers: 4"] == Part("fewer layers: 4", False, replace(own, layers=4), None)
    assert rows["fewer neurons: 1024"].shape == replace(own, feed_forward=1024)
    assert rows["narrower, fewer heads: 256"].shape == replace(small, layers=8)
    after = [rows[name] for name in ("fewer pieces and bits", "fewer pieces, bits and layers")]
    assert all(part.trimmed and part.candidate == CANDIDATES[1] for part in after)
    assert [part.shape for part in after] == [own, replace(own, layers=4)]
    last = [part for part in rows.values() if part.name.startswith("all")]
    assert [part.shape for part in last] == [small] * 4 + [own, Shape(384, 4, 3, 1536)]
    assert [(part.first_step, part.second_step) for part in last[:4]] == [
        (True, True), (False, True), (True, False), (False, False)
    ]  # fmt: skip
    assert len({part.stage for part in rows.values()}) == len(rows)


def test_a_pocket_that_keeps_the_layers_still_shows_what_they_are_worth() -> None:
    own, small = Shape(192, 4, 6, 768), Shape(128, 4, 4, 512)
    rows = {part.name: part for part in parts(own, small, [])}
    assert rows["fewer layers: 2"].shape == replace(own, layers=2)
    assert "fewer pieces, bits and layers" not in rows


def test_without_texts_nothing_can_be_measured(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["frontier", "--model", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "pass --data (for F1) or --texts" in result.stderr
