import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from build_models.errors import BuildError
from build_models.training.side_by_side import side_by_side
from build_models.workspace import workspace as workspace_module
from build_models.workspace.workspace import Workspace, key_of, sources
from tests import ROOT


class Stage:
    """A stage that counts how often it ran and writes what it is told."""

    def __init__(self, text: str = "result"):
        self.text = text
        self.runs = 0

    def __call__(self, result: Path, progress: Path) -> None:
        self.runs += 1
        (result / "weights.txt").write_text(self.text)


def fail_after(work: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
    def run(result: Path, progress: Path) -> None:
        work(result, progress)
        raise KeyboardInterrupt

    return run


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


def names(workspace: Workspace) -> set[str]:
    return {path.name for path in workspace.folder.iterdir()}


def test_unchanged_inputs_do_not_run_again(workspace: Workspace) -> None:
    stage = Stage()
    first = workspace.stage("dense", {"seed": 1, "rate": 0.1}, stage)
    again = Workspace(workspace.folder).stage("dense", {"rate": 0.1, "seed": 1}, stage)
    assert stage.runs == 1
    assert first == again
    assert (first / "weights.txt").read_text() == "result"


@pytest.mark.parametrize("inputs", [{"seed": 2}, {"seed": 1, "more": None}, {"seed": "1"}, {}])
def test_changed_inputs_run_again_and_replace_the_result(workspace: Workspace, inputs: dict[str, object]) -> None:
    workspace.stage("dense", {"seed": 1}, Stage("old"))
    folder = workspace.stage("dense", inputs, Stage("new"))
    assert (folder / "weights.txt").read_text() == "new"
    assert names(workspace) == {"dense"}


def test_changed_code_runs_again(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    workspace.stage("dense", {}, stage)
    monkeypatch.setattr(workspace_module, "code_digest", lambda: "other code")
    workspace.stage("dense", {}, stage)
    assert stage.runs == 2


def test_the_code_is_that_which_results_depend_on() -> None:
    code = {path.relative_to(ROOT).as_posix() for path in sources()}
    assert all(path.is_file() for path in sources())
    assert {
        "build_models/training/loop.py",
        "build_models/recipes/dense.py",
        "build_models/data/sample/grammar.py",
    } <= code
    assert {name for name in code if name.startswith("service/")} == {
        *(
            f"service/ner/{name}.py"
            for name in ("__init__", "decoding", "encoder", "pipeline", "schemes", "timing", "transitions", "words")
        ),
        *(f"service/evaluation/{name}.py" for name in ("conll", "data_schemes", "noise", "reading", "scoring")),
        "service/evaluation/figures/calibration.py",
        *(f"service/runtimes/{name}.py" for name in ("__init__", "llm_int8", "onnx", "torch")),
    }
    assert not {"build_models/data/sample/check.py", "build_models/commands/evaluate.py"} & code


def test_a_second_build_in_the_same_folder_is_refused(workspace: Workspace) -> None:
    with (
        workspace.locked(),
        pytest.raises(BuildError, match=f"Another build is running in {workspace.folder.parent}:"),
        Workspace(workspace.folder).locked(),
    ):
        pytest.fail("two builds at once")
    with Workspace(workspace.folder).locked():
        pass


def test_a_killed_build_leaves_no_lock(workspace: Workspace) -> None:
    code = (
        "import sys, time; from pathlib import Path; from build_models.workspace.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1])).locked(): print('locked', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(workspace.folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(BuildError), workspace.locked():
            pytest.fail("two builds at once")
        other.kill()
    with workspace.locked():
        pass


def test_stages_do_not_disturb_each_other(workspace: Workspace) -> None:
    dense, pruned = Stage("dense"), Stage("pruned")
    for _ in range(2):
        workspace.stage("dense", {}, dense)
        workspace.stage("pruned", {}, pruned)
    assert (dense.runs, pruned.runs) == (1, 1)


def test_only_a_stage_of_an_earlier_build_is_reported_as_kept(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    def forked() -> None:
        workspace.stage("pruned", {}, Stage())

    workspace.stage("dense", {}, Stage())
    side_by_side(lambda: workspace.stage("dense", {}, Stage()), forked, 1, "pruned")
    workspace.stage("pruned", {}, Stage())
    assert "kept" not in capsys.readouterr().err
    later = Workspace(workspace.folder)
    for _ in range(2):
        later.stage("dense", {}, Stage())
    assert capsys.readouterr().err.count("dense: unchanged, kept") == 1


def test_an_interrupted_stage_leaves_the_old_result(workspace: Workspace) -> None:
    old = Stage("old")
    folder = workspace.stage("dense", {"seed": 1}, old)
    with pytest.raises(KeyboardInterrupt):
        workspace.stage("dense", {"seed": 2}, fail_after(Stage("half of the new")))
    assert (folder / "weights.txt").read_text() == "old"
    workspace.stage("dense", {"seed": 1}, old)
    assert old.runs == 1


def test_an_interrupted_stage_finds_its_progress_but_not_its_half_result(workspace: Workspace) -> None:
    def begin(result: Path, progress: Path) -> None:
        (result / "half.txt").write_text("half")
        (progress / "state").write_text("step 7")

    seen: list[str] = []

    def finish(result: Path, progress: Path) -> None:
        seen.append((progress / "state").read_text())
        assert list(result.iterdir()) == []

    with pytest.raises(KeyboardInterrupt):
        workspace.stage("dense", {"seed": 1}, fail_after(begin))
    workspace.stage("dense", {"seed": 1}, finish)
    assert seen == ["step 7"]
    assert names(workspace) == {"dense"}


def test_progress_made_with_other_inputs_is_thrown_away(workspace: Workspace) -> None:
    found: list[Path] = []

    def look(result: Path, progress: Path) -> None:
        found.extend(progress.iterdir())

    with pytest.raises(KeyboardInterrupt):
        workspace.stage("dense", {"seed": 1}, fail_after(lambda result, progress: (progress / "state").touch()))
    workspace.stage("dense", {"seed": 2}, look)
    assert found == []
    assert names(workspace) == {"dense"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"other": 1}', "null"])
def test_a_broken_key_runs_the_stage_again(workspace: Workspace, text: str) -> None:
    stage = Stage()
    folder = workspace.stage("dense", {}, stage)
    (folder / workspace_module.KEY).write_text(text)
    workspace.stage("dense", {}, stage)
    assert stage.runs == 2


def test_keys_take_any_value_that_can_be_written_down() -> None:
    assert key_of({"out": Path("a")}) == key_of({"out": Path("a")}) != key_of({"out": Path("b")})
