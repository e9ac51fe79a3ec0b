"""The frontier at a tiny size: every part is measured, and the page says what it was."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from build_models.__main__ import cli
from build_models.bases.shapes import Shape
from build_models.data.sample.generate import generate_sample
from build_models.experiments.frontier import measure, parts
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
    rows = measure(settings, shapes=False, out=tmp_path / "out")
    dense, pieces, layers, neurons, narrow, eight, four, everything = rows
    assert dense.difference == 0
    assert dense.f1 == 1.0, "where nothing is labelled, figures are of agreement with dense"
    for smaller in (pieces, layers, neurons, narrow, eight, four):
        assert everything.megabytes < smaller.megabytes < dense.megabytes
    assert all(row.resident_megabytes > 0 and row.milliseconds > 0 for row in rows)
    assert all(row.interval[0] <= row.difference <= row.interval[1] for row in rows)
    written = json.loads((tmp_path / "out" / "frontier.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in written] == [row.name for row in rows]
    page = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert all(f"| {row.name} |" in page for row in rows)
    assert "agreement with dense" in page
    assert (tmp_path / "out" / "frontier.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_the_parts_are_one_change_each() -> None:
    from transformers import XLMRobertaConfig

    config = XLMRobertaConfig(
        hidden_size=768, num_hidden_layers=8, num_attention_heads=6, intermediate_size=3072, vocab_size=100
    )
    own = Shape(768, 8, 6, 3072)
    rows = list(parts(config, shapes=True))
    alone = {row.name: row.shape for row in rows if not row.name.startswith("all")}
    assert alone["fewer layers"] == replace(own, layers=4)
    assert alone["fewer neurons"] == replace(own, feed_forward=1024)
    assert alone["narrower, fewer heads"] == replace(own, width=256, heads=2, feed_forward=1024)
    shapes = [row.shape for row in rows if row.name.startswith("all")]
    assert shapes[0] == Shape(256, 4, 2, 1024)
    assert len(shapes) == len(set(shapes)) == 7


def test_without_texts_nothing_can_be_measured(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["frontier", "--model", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "pass --data (for F1) or --texts" in result.stderr
