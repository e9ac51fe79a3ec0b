"""Executors of cells: this process, a local process pool, or a Slurm cluster through submitit."""

import math
import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Protocol

from build_models.errors import BuildError
from build_models.experiments.cells import Cell
from build_models.experiments.run import Outcome, Places, run_cell

SECONDS_BETWEEN_LOOKS = 0.5


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
    """Run the cells in a pool of new processes."""
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from gathered({pool.submit(run_cell, cell, places): cell for cell in cells})


def run_on_cluster(
    cells: Sequence[Cell], places: Places, cluster: str, parameters: Mapping[str, Any]
) -> Iterator[Outcome]:
    """Run the cells as a job array on submitit's ``cluster``: ``slurm``, or ``local`` for subprocesses.

    ``parameters`` are passed to submitit, for example ``slurm_partition``. Raises ``BuildError`` for unknown ones.
    """
    import submitit

    folder = places.work / "jobs"
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(name="kidogo", cpus_per_task=max(cell.threads for cell in cells), **parameters)
    except (RuntimeError, NameError, ValueError, TypeError) as error:
        raise BuildError(f"{cluster}: {error}") from error
    jobs = executor.map_array(run_cell, cells, [places] * len(cells))
    yield from gathered(dict(zip(jobs, cells, strict=True)))


def gathered(jobs: Mapping[Any, Cell]) -> Iterator[Outcome]:
    """Outcomes in order of completion; a job that ends without one is a failed cell."""
    waiting: dict[Job, Cell] = dict(jobs)
    while waiting:
        for job in [job for job in waiting if job.done()]:
            cell = waiting.pop(job)
            try:
                yield job.result()
            except Exception as error:  # killed, out of memory, timed out
                yield Outcome(cell, "failed", message=f"{type(error).__name__}: {error}")
        if waiting:
            time.sleep(SECONDS_BETWEEN_LOOKS)
