"""``python -m build_models evaluate`` on a real build."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from build_models.__main__ import cli
from service.variants import VARIANTS
from tests.build_models.conftest import Built


def evaluate(built: Built, *arguments: str) -> Result:
    runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"})
    return runner.invoke(cli, ["evaluate", "--artifacts", str(built.folder), *arguments])


def test_the_figures_are_those_of_the_manifests(built: Built) -> None:
    result = evaluate(built, "--json")
    assert result.exit_code == 0, result.output
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["variant"] for answer in answers] == list(VARIANTS)
    for answer in answers:
        assert answer["f1"] == pytest.approx(built.manifests[answer["variant"]].metrics["test"].f1, abs=5e-5)


def test_the_table_of_some(built: Built) -> None:
    result = evaluate(built, "--variants", "dense,dynamic", "--language", "hau", "--limit", "20")
    assert result.exit_code == 0, result.output
    assert "20 sentences" in result.stdout
    rows = [line.split("│")[1].strip() for line in result.stdout.splitlines() if line.startswith("│")]
    assert rows == ["dense", "dynamic"] * 2, "a table of scores and one of mistakes"


def test_without_a_choice_all_that_were_built(built: Built, tmp_path: Path) -> None:
    for name in ("dense", "dynamic", "data"):
        shutil.copytree(built.folder / name, tmp_path / name)
    result = evaluate(replace(built, folder=tmp_path), "--json", "--limit", "20")
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["variant"] for line in result.stdout.splitlines()] == ["dense", "dynamic"]


def test_variants_of_other_data_are_named_and_damaged_ones_refused(built: Built, tmp_path: Path) -> None:
    for name in ("dense", "dynamic", "data"):
        shutil.copytree(built.folder / name, tmp_path / name)
    manifest = json.loads((tmp_path / "dynamic" / "manifest.json").read_text())
    manifest["data"]["digest"] = "0" * 64
    (tmp_path / "dynamic" / "manifest.json").write_text(json.dumps(manifest))
    result = evaluate(replace(built, folder=tmp_path), "--json", "--limit", "20")
    assert result.exit_code == 0, result.output
    assert "the difference is between two models" in " ".join(result.stderr.split())
    with (tmp_path / "dense" / "model.onnx").open("r+b") as file:
        file.truncate(1000)
    result = evaluate(replace(built, folder=tmp_path), "--json", "--limit", "20")
    assert result.exit_code == 1
    assert "model.onnx has 1000 bytes where its manifest says" in " ".join(result.stderr.split())


def test_data_of_one_s_own(built: Built, tmp_path: Path) -> None:
    path = tmp_path / "mine.conll"
    path.write_text("Rais O\nRuto B-PER\n", encoding="utf-8")
    answer = json.loads(evaluate(built, "--json", "--variants", "dense", "--data", str(path)).stdout)
    assert (answer["examples"], answer["entities"]) == (1, 1)


def test_noise_changes_what_is_read(built: Built) -> None:
    arguments = ["--variants", "dense", "--limit", "50"]
    as_it_is, upper = (
        json.loads(evaluate(built, "--json", *arguments, *noise).stdout) for noise in ([], ["--noise", "upper"])
    )
    assert (as_it_is["noise"], upper["noise"]) == (None, {"name": "upper", "seed": 0})
    assert upper["f1"] < as_it_is["f1"]
    assert upper["data"] == as_it_is["data"]
    table = evaluate(built, *arguments, "--noise", "typos", "--seed", "3").stdout
    assert "with noise typos (seed 3)" in table
    assert "wrong border" in table
    refused = evaluate(built, "--noise", "loud")
    assert refused.exit_code == 2
    assert "choose from lower, upper" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--variants", "tiny"], "There is no variant tiny"),
        (["--language", "fon"], "the data has no sentence in 'fon'"),
        (["--data", "/nowhere/at.all"], "/nowhere/at.all is neither a file nor a folder"),
        (["--artifacts", "/nowhere"], "/nowhere/dense/manifest.json is missing"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(built: Built, arguments: list[str], says: str) -> None:
    result = evaluate(built, *arguments)
    assert result.exit_code == 1
    assert says in result.stderr
    assert "Traceback" not in result.output
