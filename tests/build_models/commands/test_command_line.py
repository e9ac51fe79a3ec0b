"""What a person sees who types something wrong, or asks for help."""

import inspect
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from build_models.__main__ import cli, main
from build_models.settings import BuildSettings
from build_models.workspace.workspace import Workspace
from service.variants import KNOWN_VARIANTS
from tests import ROOT


def call(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", "TERMINAL_WIDTH": "200", "NO_COLOR": "1"}).invoke(cli, arguments)


def refusal(*arguments: str) -> str:
    """What is said to wrong arguments: one line that names the problem, no stack, and an exit code."""
    result = call(*arguments)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code != 0
    assert "Traceback" not in result.stderr
    lines = [line.strip("│ ") for line in result.stderr.splitlines()]
    # Usage errors come in Typer's frame, under a line of usage; steps taken before say the seconds first.
    usage_or_step = re.compile(r"[╭╰]|Usage:|Try |[\d.]+ s  |$")
    said = [line for line in lines if not usage_or_step.match(line)]
    assert len(said) == 1, said
    return said[0]


def test_help_names_every_option_and_has_examples() -> None:
    result = call("--help")
    assert result.exit_code == 0
    options = [name for name in inspect.signature(main).parameters if name != "context"]
    for name in options:
        assert f"--{name.replace('_', '-')}" in result.stdout
    assert len(options) > 20
    assert "Examples" in result.stdout
    assert result.stdout.count("python -m build_models ") >= 4
    for default in ("[default: artifacts]", "[default: 42]", "[default: 0.6]", "[default: 6.0]"):
        assert default in result.stdout


def test_help_shows_the_layout_of_a_data_folder() -> None:
    """Rich and Markdown both drop what looks like a tag."""
    shown = " ".join(line.strip("│ ") for line in call("--help").stdout.splitlines())
    assert "folder with {train,dev,test}, or with one such folder per language" in shown
    shown = " ".join(line.strip("│ ") for line in call("pretrain", "--help").stdout.splitlines())
    assert "Folder with <language>.txt or <language>.txt.xz" in shown


def test_help_is_there_as_it_is_documented() -> None:
    """By the real command, and at once: no engine is loaded for it."""
    answer = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "build_models", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Usage: python -m build_models" in answer.stdout
    loaded = {line.rpartition("|")[2].strip() for line in answer.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"torch", "transformers", "onnxruntime"}


def test_defaults_are_those_of_the_settings() -> None:
    settings = {field.name: getattr(BuildSettings(), field.name) for field in fields(BuildSettings)}
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(main).parameters.items()
        # --from-scratch is a switch; the settings of that name are those of other options.
        if name in settings and name != "from_scratch" and parameter.default is not None
    }
    assert {"transition_weight", "max_length", "overlap", "sparsity"} <= set(defaults)
    assert defaults == {name: settings[name] for name in defaults}


def test_unknown_variant(tmp_path: Path) -> None:
    said = refusal("--variants", "dense,tiny", "--out", str(tmp_path))
    assert said == f"error: There is no variant tiny. Choose from: {', '.join(KNOWN_VARIANTS)}."


def test_unknown_language(tmp_path: Path) -> None:
    said = refusal("--languages", "swa,xxx", "--out", str(tmp_path))
    assert said.startswith("error: the bundled sample has no xxx; it has ")
    assert "hau" in said
    assert "swa" in said


def test_unknown_shape() -> None:
    said = refusal("--shape", "huge")
    assert "'huge'; choose from tiny, mini, midi, study-base," in said


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--sparsity", "1.0", "0.99"),
        ("--sparsity", "-0.1", "0"),
        ("--sparsity", "most", "number"),
        ("--epochs", "0", "1"),
        ("--max-length", "513", "512"),
        ("--alpha", "1.5", "1"),
        ("--temperature", "0", "0.1"),
    ],
)
def test_values_out_of_range(option: str, value: str, reason: str) -> None:
    said = refusal(option, value)
    assert said.startswith(f"Invalid value for '{option}': ")
    assert reason in said.partition(": ")[2]


@pytest.mark.parametrize(
    ("arguments", "option", "reason"),
    [
        (["--epochs", "3"], "--epochs", "the bundled model is taken as it is"),
        (["--epochs", "3", "--data", "sample"], "--epochs", "the bundled model is taken as it is"),
        (["--shape", "mini"], "--shape", "train your own with --from-scratch"),
        (["--model", "./model", "--regularize"], "--regularize", "--model takes a classifier as it is"),
        (["--model", "./model", "--alpha", "0.5"], "--alpha", "students learn from the model's answers alone"),
        (["--from-scratch", "--regularize"], "--regularize", "is regularized already"),
        (["--texts", "./texts.txt"], "--texts", "the classifier that --model gives"),
        (["--model", "./model", "--from-scratch"], "--from-scratch", "--model takes a classifier as it is"),
        (["--base", "./base", "--from-scratch"], "--from-scratch", "--base gives an encoder that is trained already"),
    ],
)
def test_options_that_would_do_nothing(arguments: list[str], option: str, reason: str) -> None:
    said = refusal(*arguments)
    assert said.startswith(f"Invalid value for {option}: ")
    assert reason in said


def test_an_option_that_there_is_not() -> None:
    assert "--sparsness" in refusal("--sparsness", "0.5")


def test_an_overlap_that_fits_no_window(tmp_path: Path) -> None:
    said = refusal("--max-length", "64", "--overlap", "62", "--out", str(tmp_path / "out"))
    assert said == "error: --overlap 62 is too large for --max-length 64: pass at most 61."
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["./nothing", "/nowhere/at/all", "a/b/c"])
@pytest.mark.parametrize("option", ["--base", "--data"])
def test_folders_that_are_not_there(tmp_path: Path, option: str, name: str) -> None:
    arguments = (option, name, "--out", str(tmp_path), "--languages", "swa", "--sample-sentences", "10")
    assert refusal(*arguments) == f"error: {name} is {'not a folder' if option == '--base' else 'no folder'}"


def test_data_that_is_wrong_is_named_by_file_and_line(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "swa"
    folder.mkdir(parents=True)
    for split in ("train", "dev", "test"):
        (folder / f"{split}.txt").write_text("Rais O\nRuto B-PER\n\n", encoding="utf-8")
    (folder / "dev.txt").write_text("Rais O\nRuto PER\n\n", encoding="utf-8")
    said = refusal("--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"))
    assert said.startswith(f"error: {folder / 'dev.txt'}, line 2: unknown label 'PER'")


def test_two_builds_in_one_folder(tmp_path: Path) -> None:
    with Workspace(tmp_path / ".work").locked():
        said = refusal("--out", str(tmp_path), "--languages", "swa", "--sample-sentences", "10")
    assert said == f"error: Another build is running in {tmp_path}: wait for it to finish, or pass another --out"
    assert not (tmp_path / ".work" / "model").exists()


def test_a_vocabulary_that_the_letters_alone_exceed(tmp_path: Path) -> None:
    options = ("--from-scratch", "--languages", "amh", "--sample-sentences", "50", "--vocabulary", "100")
    said = refusal("--out", str(tmp_path), *options)
    assert said.startswith("error: 100 pieces cannot be learnt from 50 sentences. Change --vocabulary, add more --data")


def test_an_output_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    said = refusal("--out", str(tmp_path / "out"), "--languages", "swa", "--sample-sentences", "10").lower()
    assert "not a directory" in said or "file exists" in said
