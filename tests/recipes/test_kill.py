"""A build killed at the start of each of its steps leaves nothing half done, and goes on where it was."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.manifest import MANIFEST, read_manifest, verify
from service.variants import VARIANTS

ROOT = Path(__file__).parents[2]
OPTIONS = (
    "--languages swa --sample-sentences 30 --base-steps 2 --vocabulary 500 --max-length 64 --overlap 16 --threads 1"
)
STEPS = [
    # What a run says when it begins the step that it is killed in, and what it must have kept: that which the runs
    # before it finished.
    ("base: started", set()),
    ("dense: started", set()),
    ("dense: making the artefact", {"base"}),
    ("pruned: started", {"base", "dense"}),
    ("distilled: started", {"base", "dense"}),
    ("int8: making the artefact", {"base", "dense", "pruned"}),
    ("dynamic: making the artefact", {"base", "dense", "pruned", "distilled"}),
]


def start(folder: Path) -> subprocess.Popen[str]:
    # In a session of its own, so that the kill reaches this build and its children and nothing else.
    return subprocess.Popen(
        [sys.executable, "-m", "build_models", *OPTIONS.split(), "--out", str(folder)],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run_and_kill_at(folder: Path, step: str) -> list[str]:
    """Kill a build as soon as it says that it begins ``step``; returns what it had said."""
    process = start(folder)
    said: list[str] = []
    try:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line.rstrip())
            if step in line:
                break
        else:
            pytest.fail(f"never said {step!r}, but: {said}")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    return said


def kept(said: list[str]) -> set[str]:
    return {line.rpartition(": ")[0].split()[-1] for line in said if line.endswith(": unchanged, kept")}


def visible_artefacts(folder: Path) -> set[str]:
    """The variants that there are; each must be whole."""
    there = {path.parent.name for path in folder.glob(f"*/{MANIFEST}")}
    for name in there:
        verify(folder / name, read_manifest(folder / name))
    # A folder with the name of a variant is an artefact, never one in the making.
    assert {path.name for path in folder.glob("*")} & set(VARIANTS) == there
    return there


def test_killed_at_every_step_in_turn(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    for step, expected in STEPS:
        said = run_and_kill_at(folder, step)
        assert kept(said) == expected, f"killed at {step!r} after {said}"
        killed_in = step.partition(":")[0]
        before = list(VARIANTS)[: list(VARIANTS).index(killed_in)] if killed_in in VARIANTS else []
        assert visible_artefacts(folder) == set(before)
    process = start(folder)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert kept(said.splitlines()) == {"base", *VARIANTS} - {"dynamic", "distilled-dynamic"}
    assert visible_artefacts(folder) == set(VARIANTS)
    # What the killed runs left under way is gone.
    assert {path.name for path in folder.iterdir()} == {*VARIANTS, "data", ".work"}
    assert {path.name for path in (folder / ".work").iterdir()} == {"base", "dense", "pruned", "distilled", "lock"}
