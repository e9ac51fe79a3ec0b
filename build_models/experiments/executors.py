"""Executors of cells: this process, a local process pool, or a Slurm cluster through submitit."""

import math
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from typing import Any, Protocol

from build_models.errors import BuildError
from build_models.experiments.cells import Cell
from build_models.experiments.run import Outcome, Places, run_cell

SECONDS_BETWEEN_LOOKS = 0.5
"""At jobs of submitit, which reads files or asks Slurm."""

SECONDS_BETWEEN_LOOKS_AT_POOL = 0.025
"""Kept results take hardly longer."""

MINUTES_OF_A_JOB = 24 * 60


class Job(Protocol):
    """The common interface of futures and submitit's jobs."""

    def done(self) -> bool: ...

    def result(self) -> Any: ...


def run_here(cells: Sequence[Cell], places: Places, minutes: float | None = None) -> Iterator[Outcome]:
    """Run the cells one after the other in this process; after ``minutes``, begin no other."""
    end = time.monotonic() + 60 * minutes if minutes is not None else math.inf
    for cell in cells:
        if time.monotonic() >= end:
            return
        yield run_cell(cell, places)


def run_in_pool(cells: Sequence[Cell], places: Places, processes: int) -> Iterator[Outcome]:
    """Run the cells in a pool of new processes. If one is killed, what its pool was running fails, and no more."""
    with ExitStack() as stack:

        def new() -> ProcessPoolExecutor:
            return stack.enter_context(ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")))

        pool = new()

        def submit(cell: Cell) -> Job:
            nonlocal pool
            try:
                return pool.submit(run_cell, cell, places)
            except BrokenProcessPool:
                pool = new()
                return pool.submit(run_cell, cell, places)

        yield from in_turn(cells, submit, processes, SECONDS_BETWEEN_LOOKS_AT_POOL)


def run_on_cluster(
    cells: Sequence[Cell], places: Places, cluster: str, parameters: Mapping[str, Any], processes: int
) -> Iterator[Outcome]:
    """Run the cells on submitit's ``cluster``: as a job array on ``slurm``, or as ``local`` subprocesses.

    Only ``processes`` of the latter run at once. ``parameters`` are passed to submitit, for example
    ``slurm_partition``; unless they have a time limit, it is a day, because submitit's own is minutes. Raises
    ``BuildError`` for unknown ones.
    """
    import submitit

    limit = {} if any("time" in name for name in parameters) else {"timeout_min": MINUTES_OF_A_JOB}
    try:
        executor = submitit.AutoExecutor(folder=places.work / "jobs", cluster=cluster)
        executor.update_parameters(
            name="kidogo", cpus_per_task=max(cell.threads for cell in cells), **limit, **parameters
        )
    except (RuntimeError, NameError, ValueError, TypeError) as error:
        raise BuildError(f"{cluster}: {error}") from error
    if cluster == "local":
        yield from in_turn(
            cells, lambda cell: executor.submit(run_cell, cell, places), processes, SECONDS_BETWEEN_LOOKS
        )
        return
    submitted = executor.map_array(run_cell, cells, [places] * len(cells))
    jobs: dict[Job, Cell] = dict(zip(submitted, cells, strict=True))
    while jobs:
        yield from ended(jobs, SECONDS_BETWEEN_LOOKS)


def in_turn(cells: Sequence[Cell], submit: Callable[[Cell], Job], most: int, pause: float) -> Iterator[Outcome]:
    """Outcomes in order of completion, with at most ``most`` cells submitted at a time.

    Cells that wait here rather than in a queue are not lost with it, and do not go on after Ctrl-C. ``pause`` is the
    number of seconds between two looks at the jobs.
    """
    waiting = deque(cells)
    jobs: dict[Job, Cell] = {}
    while waiting or jobs:
        while waiting and len(jobs) < most:
            cell = waiting.popleft()
            jobs[submit(cell)] = cell
        yield from ended(jobs, pause)


def ended(jobs: dict[Job, Cell], pause: float) -> Iterator[Outcome]:
    """Wait until some jobs have ended, and take them out of ``jobs``; one without an outcome is a failed cell."""
    while not (done := [job for job in jobs if job.done()]):
        time.sleep(pause)
    for job in done:
        cell = jobs.pop(job)
        try:
            yield job.result()
        except Exception as error:  # killed, out of memory, timed out
            yield Outcome(cell, "failed", message=f"{type(error).__name__}: {error}")
