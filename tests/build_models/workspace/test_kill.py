"""A build killed at the start of each of its steps leaves nothing half done, and goes on where it was."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from service.artifacts.manifest import MANIFEST, read_manifest, verify
from service.variants import VARIANTS
from tests.commands import start_command

OPTIONS = (
    "--from-scratch --languages swa --sample-sentences 200 --base-steps 2 --vocabulary 500 --max-length 64 --overlap 16"
    " --threads 1"
)
STEPS = [
    # What a run says when it begins the step that it is killed in, and what it must have kept: that which the runs
    # before it finished.
    ("base: started", set()),
    ("dense: started", set()),
    ("dense: writing the artefact", {"base"}),
    ("pruned: started", {"base", "dense"}),
    ("distilled: started", {"base", "dense"}),
    ("int8: writing the artefact", {"base", "dense", "pruned"}),
    ("dynamic: writing the artefact", {"base", "dense", "pruned", "distilled"}),
]


def run_and_kill_at(folder: Path, log: Path, step: str) -> list[str]:
    """Kill a build as soon as it says that it begins ``step``; returns what it had said."""
    process = start_command([*OPTIONS.split(), "--out", folder], log)
    try:
        while not (log.exists() and step in log.read_text()):
            if not process.is_alive() and step not in log.read_text():
                pytest.fail(f"never said {step!r}, but: {log.read_text()}")
            time.sleep(0.002)
    finally:
        assert process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()
    assert process.exitcode == -signal.SIGKILL
    said = log.read_text().splitlines()
    # Some lines may have come between the one that was waited for and the kill.
    return said[: next(number for number, line in enumerate(said) if step in line) + 1]


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
    for number, (step, expected) in enumerate(STEPS):
        said = run_and_kill_at(folder, tmp_path / f"log{number}", step)
        assert kept(said) == expected, f"killed at {step!r} after {said}"
        killed_in = step.partition(":")[0]
        before = list(VARIANTS)[: list(VARIANTS).index(killed_in)] if killed_in in VARIANTS else []
        assert visible_artefacts(folder) == set(before)
    log = tmp_path / "log"
    process = start_command([*OPTIONS.split(), "--out", folder], log)
    process.join(120)
    said = log.read_text()
    assert process.exitcode == 0, said
    exports = {"dense-onnx", "distilled-onnx"}
    assert kept(said.splitlines()) == {"base", *exports, *VARIANTS} - {"dynamic", "distilled-dynamic", "pocket"}
    assert visible_artefacts(folder) == set(VARIANTS)
    # What the killed runs left under way is gone.
    assert {path.name for path in folder.iterdir()} == {*VARIANTS, "data", ".work"}
    stages = {"base", "dense", "pruned", "distilled", "pocket-pieces", "pocket", "pocket-onnx", *exports}
    assert {path.name for path in (folder / ".work").iterdir()} == {*stages, "lock"}
