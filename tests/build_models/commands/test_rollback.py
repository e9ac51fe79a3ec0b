"""``python -m build_models rollback``."""

import errno
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from build_models.__main__ import cli
from build_models.artifacts.kept import put_test_split
from build_models.workspace.replaced import RECORD, Replacements
from build_models.workspace.workspace import Workspace
from service.artifacts.building import WORKSPACE
from service.artifacts.manifest import PREVIOUS, read_manifest, replace_folder
from service.variants import VARIANTS
from tests.fakes import write_artifacts


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """Any file will do: nothing is loaded."""
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    return path


def build(folder: Path, tokenizer: Path, content: bytes, *variants: str, finish: bool = True) -> Replacements:
    replacements = Replacements(folder)

    def change(staging: Path) -> None:
        (staging / "model.onnx").write_bytes(content)

    write_artifacts(folder, tokenizer, variants, change, replacements.keep)
    if finish:
        replacements.finish()
    return replacements


def call(*arguments: str) -> tuple[int, str]:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(cli, ["rollback", *arguments])
    return result.exit_code, result.output


def digests(folder: Path) -> dict[str, str]:
    return {name: read_manifest(folder / name).digest for name in VARIANTS if (folder / name).exists()}


def test_the_last_build_comes_back_and_back_again(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"old", "dense", "int8", "pruned")
    old = digests(folder)
    build(folder, tokenizer, b"new", "dense", "int8")
    new = digests(folder)
    code, said = call("--out", str(folder))
    assert code == 0
    assert digests(folder) == old
    for name in ("dense", "int8"):
        assert f"{name}: {old[name][:12]}, built at 2026-01-02 03:04:05" in said
    assert "pruned" not in said
    assert call("--artifacts", str(folder))[0] == 0
    assert digests(folder) == new


def test_some_variants_alone(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"old", "dense", "int8")
    old = digests(folder)
    build(folder, tokenizer, b"new", "dense", "int8")
    new = digests(folder)
    assert call("--out", str(folder), "--variants", "int8")[0] == 0
    assert digests(folder) == {"dense": new["dense"], "int8": old["int8"]}


def test_a_variant_that_was_deleted_comes_back(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"old", "dense")
    old = digests(folder)
    build(folder, tokenizer, b"new", "dense")
    for path in (folder / "dense").iterdir():
        path.unlink()
    (folder / "dense").rmdir()
    assert call("--out", str(folder))[0] == 0
    assert digests(folder) == old


def test_nothing_is_moved_if_one_of_them_is_damaged(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"old", "dense", "int8")
    build(folder, tokenizer, b"new", "dense", "int8")
    new = digests(folder)
    (folder / PREVIOUS / "int8" / "model.onnx").write_bytes(b"odd")
    code, said = call("--out", str(folder))
    assert code == 1
    assert "Nothing was changed" in said
    assert f"{folder / PREVIOUS / 'int8' / 'model.onnx'} does not match" in said
    assert digests(folder) == new


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((), "no build has replaced any"), (("--variants", "dens"), "There is no variant dens. Choose from: dense")],
)
def test_what_cannot_be_done_is_said_in_a_line(
    tmp_path: Path, tokenizer: Path, arguments: tuple[str, ...], said: str
) -> None:
    build(tmp_path / "artifacts", tokenizer, b"old", "dense")
    code, output = call("--out", str(tmp_path / "artifacts"), *arguments)
    assert code == 1
    assert said in output
    assert "Traceback" not in output


def test_what_an_earlier_build_replaced_stays(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"old", "dense", "int8")
    build(folder, tokenizer, b"new", "dense", "int8")
    new = digests(folder)
    build(folder, tokenizer, b"newest", "int8")
    assert call("--out", str(folder))[0] == 0
    assert digests(folder) == new
    code, said = call("--out", str(folder), "--variants", "dense")
    assert code == 1
    assert "The last build replaced int8" in said


def test_a_build_at_work_keeps_it_out(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"old", "dense")
    build(folder, tokenizer, b"new", "dense")
    new = digests(folder)
    with Workspace(folder / WORKSPACE).locked():
        code, said = call("--out", str(folder))
    assert code == 1
    assert "Another build is running" in said
    assert digests(folder) == new


def test_the_test_split_goes_back_with_its_build(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"old", "dense")
    (folder / "data").mkdir()
    (folder / "data" / "swa.conll").write_text("old")
    replacements = build(folder, tokenizer, b"new", "dense", finish=False)
    replacements.keep("data")
    (folder / "draft").mkdir()
    (folder / "draft" / "swa.conll").write_text("new")
    replace_folder(folder / "draft", folder / "data")
    replacements.finish()
    assert call("--out", str(folder))[0] == 0
    assert (folder / "data" / "swa.conll").read_text() == "old"


@pytest.mark.parametrize("labelled_first", [True, False])
def test_a_test_split_that_one_build_alone_has_goes_with_it(
    tmp_path: Path, tokenizer: Path, labelled_first: bool
) -> None:
    folder = tmp_path / "artifacts"
    (folder / PREVIOUS / "data").mkdir(parents=True)
    build(folder, tokenizer, b"old", "dense")
    replacements = build(folder, tokenizer, b"new", "dense", finish=False)
    if not labelled_first:
        replacements.keep("data")
        (folder / "data").mkdir()
    replacements.finish()
    if labelled_first:
        (folder / "data").mkdir()
        replacements = build(folder, tokenizer, b"newer", "dense", finish=False)
        put_test_split(folder, None, replacements)
        replacements.finish()
    for there in (labelled_first, not labelled_first, labelled_first):
        assert call("--out", str(folder))[0] == 0
        assert (folder / "data").exists() == there


def test_a_killed_build_and_its_resumption_are_one(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"first", "dense", "int8")
    build(folder, tokenizer, b"second", "dense", "int8")
    second = digests(folder)
    build(folder, tokenizer, b"third", "dense", finish=False)
    assert call("--out", str(folder))[0] == 0
    assert digests(folder) == second
    # What was rolled back is not continued.
    build(folder, tokenizer, b"third", "dense", finish=False)
    build(folder, tokenizer, b"fourth", "dense", "int8")
    fourth = digests(folder)
    assert call("--out", str(folder))[0] == 0
    assert digests(folder) == second
    assert call("--out", str(folder))[0] == 0
    assert digests(folder) == fourth


def test_a_build_that_only_adds_leaves_the_one_before(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"first", "int8")
    first = digests(folder)
    build(folder, tokenizer, b"second", "int8")
    build(folder, tokenizer, b"third", "dense")
    build(folder, tokenizer, b"fourth", "pruned", finish=False)
    added = digests(folder)
    assert call("--out", str(folder))[0] == 0
    assert digests(folder) == {**added, **first}


def test_an_added_variant_goes_back_to_what_it_was_before_the_last_replacement(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"first", "int8")
    build(folder, tokenizer, b"second", "dense", finish=False)
    before = digests(folder)
    build(folder, tokenizer, b"third", "int8", "pruned", finish=False)
    build(folder, tokenizer, b"fourth", "dense", "int8")
    pruned = {"pruned": digests(folder)["pruned"]}
    assert call("--out", str(folder))[0] == 0
    assert digests(folder) == {**before, **pruned}


def test_a_test_split_that_was_replaced_alone_comes_back(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"first", "dense")
    (folder / "data").mkdir()
    (folder / "data" / "swa.conll").write_text("old")
    replacements = Replacements(folder)
    put_test_split(folder, None, replacements)
    replacements.finish()
    assert not (folder / "data").exists()
    assert call("--out", str(folder))[0] == 0
    assert (folder / "data" / "swa.conll").read_text() == "old"


def test_a_damaged_artefact_that_is_not_replaced_does_not_stop_a_build(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"first", "dense", "int8")
    (folder / "int8" / "model.onnx").unlink()
    (folder / "int8" / "model.onnx").symlink_to(tmp_path / "nothing")
    old = digests(folder)
    build(folder, tokenizer, b"second", "dense")
    assert call("--out", str(folder))[0] == 0
    assert digests(folder) == old


@pytest.mark.parametrize(
    "step",
    ["shutil.copytree", "os.fsync", "pathlib.Path.mkdir", "os.link", "build_models.workspace.replaced.replace_folder"],
)
def test_a_kill_at_any_step_of_keeping_loses_no_build(
    tmp_path: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"first", "dense", "int8")
    first = digests(folder)
    build(folder, tokenizer, b"second", "dense", "int8")
    second = digests(folder)

    class Killed(BaseException):
        pass

    def kill(*_: object, **options: object) -> None:
        raise Killed

    replacements = Replacements(folder)
    with monkeypatch.context() as patched:
        patched.setattr(step, kill)
        with pytest.raises(Killed):
            replacements.keep("dense")
    assert digests(folder) == second
    # The rollback of the build before, and its undoing, still work.
    for before in (first, second):
        assert call("--out", str(folder))[0] == 0
        assert digests(folder) == before
    build(folder, tokenizer, b"third", "dense", "int8")
    assert call("--out", str(folder))[0] == 0
    assert digests(folder) == second


def test_files_are_copied_where_they_cannot_be_linked(
    tmp_path: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    test_the_last_build_comes_back_and_back_again(tmp_path, tokenizer)


def test_what_an_earlier_version_kept_is_left_until_a_build_replaces_something(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"old", "dense")
    (folder / PREVIOUS / "dense").mkdir(parents=True)
    (folder / PREVIOUS / "replaced.json").write_text('["dense"]')
    assert call("--out", str(folder))[0] == 1
    old = digests(folder)
    build(folder, tokenizer, b"newer", "dense")
    assert call("--out", str(folder))[0] == 0
    assert digests(folder) == old


def test_a_damaged_record_of_what_was_replaced_is_named(tmp_path: Path, tokenizer: Path) -> None:
    folder = tmp_path / "artifacts"
    build(folder, tokenizer, b"old", "dense")
    build(folder, tokenizer, b"new", "dense")
    (folder / PREVIOUS / RECORD).write_text('["den')
    code, said = call("--out", str(folder))
    assert code == 1
    assert f"{folder / PREVIOUS / RECORD} is damaged" in said
    assert "Traceback" not in said
