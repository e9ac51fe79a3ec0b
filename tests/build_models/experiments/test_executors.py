"""Executors: a process that is killed, and how many cells are submitted at a time."""

import os
import signal
from dataclasses import replace

import pytest

from build_models.experiments import executors
from build_models.experiments.cells import Cell
from build_models.experiments.executors import in_turn, run_in_pool
from build_models.experiments.grids import Study
from build_models.experiments.run import Outcome, Places

KILLED = 3
"""The seed of the cell whose process is killed."""


def killed_at_its_seed(cell: Cell, places: Places) -> Outcome:
    if cell.seed == KILLED:
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(cell, "made")


def test_a_killed_process_takes_only_the_cells_that_were_running_with_it(
    study: Study, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "run_cell", killed_at_its_seed)
    cells = list(replace(study, seeds=[1, 2, KILLED, 4, 5, 6]).cells("dense"))
    outcomes = list(run_in_pool(cells, places, processes=2))
    assert sorted(outcome.cell.seed for outcome in outcomes) == list(range(1, 7))
    failed = {outcome.cell.seed: outcome.message for outcome in outcomes if outcome.state == "failed"}
    assert KILLED in failed
    assert len(failed) <= 2
    assert all(message.startswith("BrokenProcessPool") for message in failed.values())


class Job:
    """Ends when it is looked at for the second time."""

    def __init__(self, cell: Cell):
        self.cell, self.looks = cell, 0

    def done(self) -> bool:
        self.looks += 1
        return self.looks > 1

    def result(self) -> Outcome:
        return Outcome(self.cell, "made")


def test_cells_wait_until_there_is_room(study: Study) -> None:
    cells = list(replace(study, seeds=[1, 2, 3, 4, 5]).cells("dense"))
    submitted: list[Job] = []
    ended = 0

    def submit(cell: Cell) -> Job:
        submitted.append(Job(cell))
        assert len(submitted) - ended <= 2
        return submitted[-1]

    for outcome in in_turn(cells, submit, 2, pause=0.0):
        assert outcome.state == "made"
        ended += 1
    assert [job.cell for job in submitted] == cells
