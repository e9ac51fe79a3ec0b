"""The commands refuse what they cannot do before anything heavy is loaded."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from build_models.__main__ import cli
from build_models.commands.experiments import as_given


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["experiments", "prunning", "--base", "x"], 2, "choose from paper, pretraining, pruning"),
        (["experiments", "pruning", "--base", "x", "--executor", "grid"], 2, "choose from here, pool, slurm"),
        (["experiments", "pruning", "--base", "x", "--seeds", "one"], 2, "is not a list of numbers"),
        (["experiments", "pruning", "--base", "x", "--seeds", "nan"], 2, "is not a list of numbers"),
        (["experiments", "pruning", "--base", "x", "--seeds", "1.5"], 2, "is not a list of whole numbers"),
        (["experiments", "pruning", "--base", "x", "--seeds", ""], 2, "--seeds: '' is not a list of numbers"),
        (["experiments", "pruning", "--base", "x", "--seeds", "1e3"], 2, "is not a list of whole numbers"),
        (["experiments", "pruning", "--base", "x", "--languages", ""], 2, "--languages: name a language"),
        (["experiments", "paper", "--base", "x", "--more-seeds", "2,9"], 2, "--more-seeds: 9 not in --seeds"),
        (
            ["experiments", "paper", "--base", "x", "--corpus", "y", "--agnostic-steps", "1", "--plan"],
            1,
            "y has no <language>.txt",
        ),
        (["experiments", "paper", "--base", "x", "--student-layers", ""], 2, "is not a list of numbers"),
        (
            ["experiments", "pruning", "--base", "x", "--noise-share", "0.3", "--crosslingual", "y"],
            2,
            "--crosslingual, --noise-share: this does nothing in pruning; it is for paper",
        ),
        (["experiments", "paper", "--base", "x", "--corpus", "y"], 2, "--corpus: this is read by --agnostic-steps"),
        (["experiments", "paper", "--base", "x", "--processes", "2"], 2, "for the executor pool or slurm-local, not"),
        (
            ["experiments", "paper", "--base", "x", "--executor", "pool", "--stop-after", "1"],
            2,
            "--stop-after: it is for the executor here, not pool",
        ),
        (
            ["pretrain", "--corpus", "x", "--out", "y", "--shape", "huge"],
            2,
            "choose from tiny, mini, midi, study-base,",
        ),
        (["pretrain", "--corpus", "x", "--out", "y"], 1, "x has no <language>.txt"),
        (["results", "nowhere"], 1, "has no results"),
    ],
)
def test_refusals(
    arguments: list[str], status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(cli, arguments, terminal_width=400, env={"COLUMNS": "400"})
    assert answer.exit_code == status
    assert said in answer.output
    assert not list(tmp_path.iterdir())


def test_a_grid_value_out_of_range_is_refused_before_a_cell_runs(base: Path, tmp_path: Path) -> None:
    answer = CliRunner().invoke(
        cli,
        [
            *("experiments", "pruning", "--base", str(base), "--languages", "hau", "--sample-sentences", "10"),
            *("--sparsities", "0.5,1.5", "--results", str(tmp_path / "results")),
        ],
        env={"COLUMNS": "400"},
    )
    assert answer.exit_code == 1
    assert "sparsity 1.5: Input should be less than 1" in answer.output
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("folder", "said"),
    [([], "pass its folder with --crosslingual"), (["--crosslingual", "."], "fon/test.txt is missing")],
)
def test_missing_tests_are_refused_before_a_cell_runs(
    folder: list[str], said: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--base", str(base), "--languages", "hau", "--sample-sentences", "10", *folder]
    answer = CliRunner().invoke(cli, ["experiments", "crosslingual", *arguments], env={"COLUMNS": "400"})
    assert answer.exit_code == 1
    assert said in answer.output
    assert not list(tmp_path.iterdir())


def test_a_command_is_kept_as_given_with_folders_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("bases/mini", "raw", "6", "hau"):
        (tmp_path / name).mkdir(parents=True)
    given = [
        *("pruning", "--base", "bases/mini", "--base", "castorini/afriberta_base", "--data", ".", "--epochs", "6"),
        *("--languages", "hau", "--corpus", str(tmp_path / "raw"), "--regularize", "--no-prune-embeddings"),
        *("--sparsities", "0.5," * 100 + "0.6", "--results", "elsewhere", "--threads", "1", "--plan"),
    ]
    command = typer.main.get_command(cli).commands["experiments"]  # type: ignore[attr-defined]
    context = command.make_context("experiments", given)
    assert as_given(context) == (
        "python -m build_models experiments pruning --base mini --base castorini/afriberta_base"
        f" --data {tmp_path.name} --languages hau --corpus raw --sparsities {'0.5,' * 100}0.6"
        " --no-prune-embeddings --epochs 6 --regularize --threads 1"
    )
