"""Where cells run: in this process, in a local pool of processes, or on a Slurm cluster through submitit."""

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
    """What futures and submitit's jobs have in common."""

    def done(self) -> bool: ...

    def result(self) -> Any: ...


def run_here(cells: Sequence[Cell], places: Places) -> Iterator[Outcome]:
    """One after the other in this process."""
    for cell in cells:
        yield run_cell(cell, places)


def run_in_pool(cells: Sequence[Cell], places: Places, processes: int) -> Iterator[Outcome]:
    """Several at once in fresh processes."""
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from gathered({pool.submit(run_cell, cell, places): cell for cell in cells})


def run_on_cluster(
    cells: Sequence[Cell], places: Places, cluster: str, parameters: Mapping[str, Any]
) -> Iterator[Outcome]:
    """As a job array. ``cluster`` is submitit's: ``slurm``, or ``local`` to rehearse without one.

    ``parameters`` are submitit's too, such as ``slurm_partition``. Raises ``BuildError`` for those it does not know.
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
    """Outcomes in the order in which they come; a job that ended without one counts as a failed cell."""
    waiting: dict[Job, Cell] = dict(jobs)
    while waiting:
        for job in [job for job in waiting if job.done()]:
            cell = waiting.pop(job)
            try:
                yield job.result()
            except Exception as error:  # killed, out of memory, out of time: whatever ends a process
                yield Outcome(cell, "failed", message=f"{type(error).__name__}: {error}")
        if waiting:
            time.sleep(SECONDS_BETWEEN_LOOKS)
