"""The matrix: each variant and all of them mixed, in closed and open loops, repeated in random order."""

import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.console import Console

from loadtests.load.generator import Generator, Stretch
from loadtests.load.machine import machine
from loadtests.load.samples import Sample
from loadtests.load.service import Service
from loadtests.load.texts import Documents, draw
from loadtests.load.traffic import POOL_USERS, Plan
from loadtests.report.figures import Times, drift, measured, times_by_variant
from loadtests.report.record import MIXED, Cell, Pattern, Record, Settings, facts_of
from loadtests.runs.rates import FEWEST_REQUESTS, RATES, Grid

console = Console(stderr=True)


CLOSED_LOOP = (1, 2, 4, 8, 16)
"""Numbers of users in the closed loops."""


@dataclass(frozen=True)
class Options:
    """The options of a run. ``seconds`` is the duration of one load level after its warm-up."""

    variants: list[str]
    texts: Path
    documents: int = 200
    seed: int = 1
    bound_ms: float = 250.0
    repetitions: int = 3
    users: tuple[int, ...] = CLOSED_LOOP
    rates: Grid = RATES
    seconds: float = 10.0
    warm_up: float = 2.0
    long_share: float = 0.0
    price_per_hour: float | None = None


@dataclass
class Matrix:
    """A running matrix; ``cells`` and ``samples`` hold what has been measured so far."""

    service: Service
    options: Options
    cells: list[Cell] = field(default_factory=list)
    samples: list[list[Sample]] = field(default_factory=list)
    ended_early: str | None = None

    def run(self) -> Record:
        """Measure all cells, or as many as possible until the server stops responding or Ctrl+C."""
        options = self.options
        documents = draw(options.texts, options.documents, options.seed, options.long_share > 0)
        described = self.service.variants()
        console.print(f"{len(documents.texts)} documents; getting reference answers of {', '.join(options.variants)}")
        answers = {name: self.service.answers(name, documents.texts) for name in options.variants}
        self._generator = Generator(self.service)
        began, clock = datetime.now(UTC).replace(microsecond=0), time.monotonic()
        try:
            for cell in self._measure(documents, answers):
                if cell.server_gone:
                    where = f"{cell.subject}, {cell.pattern} loop at {cell.level:g}, repetition {cell.repetition}"
                    self.ended_early = f"The server stopped responding at: {where}."
                    break
        except KeyboardInterrupt:
            self.ended_early = "Interrupted."
        return Record(
            began_at=began,
            seconds=round(time.monotonic() - clock, 1),
            ended_early=self.ended_early,
            command=["python", "-m", "loadtests", *sys.argv[1:]],
            settings=self._settings(documents),
            generator=machine() | {"locust": version("locust")},
            service={"address": self.service.url, **self.service.facts()},
            variants={name: facts_of(described[name]) for name in options.variants},
            cells=self.cells,
        )

    def _measure(self, documents: Documents, answers: dict[str, list[object]]) -> Iterator[Cell]:
        options = self.options
        subjects = {name: [name] for name in options.variants}
        if len(subjects) > 1:
            subjects[MIXED] = options.variants
        order = random.Random(options.seed)
        for repetition in range(1, options.repetitions + 1):
            for subject in order.sample(list(subjects), len(subjects)):

                def put(pattern: Pattern, level: float, subject: str = subject, repetition: int = repetition) -> Cell:
                    plan = Plan(
                        variants=subjects[subject],
                        documents=list(documents.texts),
                        answers={name: answers[name] for name in subjects[subject]},
                        seed=f"{options.seed} {subject} {pattern} {level:g} {repetition}",
                        long=documents.long,
                        long_share=options.long_share,
                        rate=level if pattern == "open" else None,
                        warm_up=options.warm_up,
                        seconds=options.seconds,
                    )
                    return self._run(plan, subject, pattern, level, repetition)

                closed = []
                for users in options.users:
                    closed.append(put("closed", users))
                    yield closed[-1]
                yield from self._open_loop(put, max(cell.throughput for cell in closed))

    def _open_loop(self, put: Callable[[Pattern, float], Cell], capacity: float) -> Iterator[Cell]:
        """The search for the highest rate inside the bound; none if no answer came in the closed loops."""
        if not capacity:
            return
        search = self.options.rates.search(capacity, FEWEST_REQUESTS / self.options.seconds)
        rate: float | None = next(search)
        while rate is not None:
            cell = put("open", rate)
            yield cell
            try:
                rate = search.send(cell.within(self.options.bound_ms))
            except StopIteration:
                rate = None

    def _run(self, plan: Plan, subject: str, pattern: Pattern, level: float, repetition: int) -> Cell:
        before, clock = self.service.metrics(), time.monotonic()
        stretch = self._generator.run(plan, int(level) if pattern == "closed" else POOL_USERS)
        cpus = cpus_used(before, self.service.metrics(), time.monotonic() - clock)
        cell = summarise(stretch, plan, subject, pattern, level, repetition, cpus)
        self.cells.append(cell)
        self.samples.append(stretch.samples)
        response = cell.times.response
        console.print(
            f"{repetition}/{self.options.repetitions} {subject}, {pattern} loop,"
            f" {level:g} {'users' if pattern == 'closed' else 'requests/s'}: {cell.throughput:.1f} answers/s,"
            f" p99 {f'{response.p99:.1f} ms' if response else 'none'}, errors {cell.errors}",
            highlight=False,
        )
        return cell

    def _settings(self, documents: Documents) -> Settings:
        options = self.options
        return Settings(
            variants=options.variants,
            bound_ms=options.bound_ms,
            repetitions=options.repetitions,
            users=list(options.users),
            seconds=options.seconds,
            warm_up=options.warm_up,
            seed=options.seed,
            long_share=options.long_share,
            texts=documents.source,
            texts_digest=documents.digest,
            documents=len(documents.texts),
            mean_characters=round(float(np.mean([len(text) for text in documents.texts])), 1),
            price_per_hour=options.price_per_hour,
        )


def summarise(
    stretch: Stretch,
    plan: Plan,
    subject: str,
    pattern: Pattern,
    level: float,
    repetition: int,
    server_cpus: float | None,
) -> Cell:
    assert plan.seconds is not None
    requests, outcomes, throughput, right = measured(stretch.samples, plan.seconds, closed=pattern == "closed")
    return Cell(
        subject=subject,
        pattern=pattern,
        level=level,
        repetition=repetition,
        seconds=plan.seconds,
        requests=requests,
        outcomes=outcomes,
        throughput=throughput,
        times=Times.of(right),
        by_variant=times_by_variant(right, plan.variants) if len(plan.variants) > 1 else {},
        generator_cpu_share=round(stretch.cpu_share, 4),
        server_cpus=server_cpus,
        server_gone=stretch.server_gone,
        drift_ms=drift(right),
    )


def cpus_used(before: dict[str, float], after: dict[str, float], seconds: float) -> float | None:
    """Average number of CPUs that the server's process used; None if its metrics do not include it."""
    used = "process_cpu_seconds_total"
    return round((after[used] - before[used]) / seconds, 3) if used in before and used in after else None
