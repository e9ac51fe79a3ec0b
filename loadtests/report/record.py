"""The record of a run, saved as ``report.json``; reports and comparisons are made from it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from loadtests.errors import LoadTestError
from loadtests.load.samples import OK
from loadtests.report.figures import Spread, Strict, Times

MIXED = "mixed"
Pattern = Literal["closed", "open"]

KEEPS_UP_SHARE = 0.9
"""Share of the requests due that must be sent in time, or the generator does not keep up."""

OVERLOAD = 1.5
"""Least multiple of the capacity that counts as an overload, unless less was offered."""

WAITING_SHARE = 0.85
"""Share of the generator's users that wait for answers if the server is the bottleneck; measured: 0.90 to 0.98.

If the generator is, it was 0.50 to 0.72: the other users have an answer or a request, and wait for their turn.
"""

DRIFT_SHARE = 0.25
"""Maximum growth of the response time within a cell, as a share of the bound."""


class Cell(Strict):
    """The measurement of one load level: the users of a closed loop or the requests per second of an open loop.

    ``requests`` is the number of requests due in the ``seconds`` after the warm-up, with those that a closed loop had
    in flight when it ended, ``throughput`` the correct answers per second in that time, and ``drift_ms`` the growth of
    the response time from its beginning to its end.
    """

    subject: str
    pattern: Pattern
    level: float
    repetition: int
    seconds: float
    requests: int
    outcomes: dict[str, int]
    throughput: float
    times: Times
    by_variant: dict[str, Times]
    generator_cpu_share: float
    server_cpus: float | None
    server_gone: bool = False
    drift_ms: float | None = None

    @property
    def errors(self) -> int:
        return sum(count for outcome, count in self.outcomes.items() if outcome != OK)

    def within(self, bound_ms: float) -> bool:
        """Whether all answers were correct, with a p99 response time within the bound and no growing queue.

        Growth is checked because a short measurement may end before the queue reaches the bound.
        """
        response = self.times.response
        if self.errors or response is None or response.p99 > bound_ms:
            return False
        return self.drift_ms is None or self.drift_ms <= DRIFT_SHARE * bound_ms

    @property
    def columns(self) -> dict[str, object]:
        """The columns that precede each of its raw samples."""
        return {
            "subject": self.subject,
            "pattern": self.pattern,
            "level": self.level,
            "repetition": self.repetition,
        }


class VariantFacts(Strict):
    """What ``/variants`` says about a variant."""

    technique: str
    runtime: str
    digest: str | None
    artifact_bytes: int | None
    resident_bytes: int | None
    parameters: int | None
    sparsity: float | None
    dev_f1: float | None
    test_f1: float | None
    data: str | None


class Settings(Strict):
    """The settings of a run."""

    variants: list[str]
    bound_ms: float
    repetitions: int
    users: list[int]
    seconds: float
    warm_up: float
    seed: int
    long_share: float
    texts: str
    texts_digest: str
    documents: int
    mean_characters: float
    price_per_hour: float | None


class Record(Strict):
    """A run. ``ended_early`` says why it is incomplete, if it is."""

    format: Literal[1] = 1
    began_at: datetime
    seconds: float
    ended_early: str | None
    command: list[str]
    settings: Settings
    generator: dict[str, str]
    service: dict[str, str]
    variants: dict[str, VariantFacts]
    cells: list[Cell]

    @property
    def subjects(self) -> list[str]:
        """The measured variants, and ``mixed`` if they were also measured together."""
        seen = {cell.subject for cell in self.cells}
        return [name for name in (*self.variants, MIXED) if name in seen]

    def select(self, subject: str, pattern: Pattern) -> dict[float, list[Cell]]:
        """The cells of one subject and pattern by level, in ascending order."""
        levels: dict[float, list[Cell]] = {}
        for cell in sorted(self.cells, key=lambda cell: (cell.level, cell.repetition)):
            if (cell.subject, cell.pattern) == (subject, pattern):
                levels.setdefault(cell.level, []).append(cell)
        return levels

    def best_rates(self, subject: str) -> list[float | None]:
        """The maximum requests/s within the bound of each repetition; None if no rate was.

        A repetition without a correct answer in the closed loops has no open loop, and so no rate either.
        """
        return [best_rate(cells, self.settings.bound_ms) for cells in self._open_loops(subject)]

    def ran_out(self, subject: str) -> bool:
        """Whether a repetition never exceeded the bound, so that its maximum rate is only a lower limit."""
        bound = self.settings.bound_ms
        return any(cells and all(cell.within(bound) for cell in cells) for cells in self._open_loops(subject))

    def _open_loops(self, subject: str) -> list[list[Cell]]:
        """The open-loop cells of each repetition; none if its closed loops had no correct answer.

        A repetition that was interrupted before its open loop is left out.
        """
        repetitions: dict[int, list[Cell]] = {}
        for cell in self.cells:
            if cell.subject == subject:
                repetitions.setdefault(cell.repetition, []).append(cell)
        loops = []
        for _, cells in sorted(repetitions.items()):
            loop = [cell for cell in cells if cell.pattern == "open"]
            if loop or not any(cell.throughput for cell in cells):
                loops.append(loop)
        return loops


def best_rate(cells: Sequence[Cell], bound_ms: float) -> float | None:
    """The highest rate below the first that exceeded the bound; None if the lowest rate exceeded it."""
    best = None
    for cell in sorted(cells, key=lambda cell: cell.level):
        if not cell.within(bound_ms):
            break
        best = cell.level
    return best


def spread(cells: Sequence[Cell], figure: Callable[[Cell], float | None]) -> Spread | None:
    return Spread.of([figure(cell) for cell in cells])


def facts_of(entry: dict[str, Any]) -> VariantFacts:
    """Facts from an entry of ``/variants``."""
    metrics = entry.get("metrics") or {}
    return VariantFacts(
        **{name: entry.get(name) for name in VariantFacts.model_fields if not name.endswith("_f1") and name != "data"},
        dev_f1=(metrics.get("dev") or {}).get("f1"),
        test_f1=(metrics.get("test") or {}).get("f1"),
        data=metrics.get("data"),
    )


def read_record(path: Path) -> Record:
    """Read a ``report.json``. Raises ``LoadTestError`` if it cannot be read or is not one."""
    try:
        return Record.model_validate_json(path.read_bytes())
    except OSError as error:
        raise LoadTestError(f"{path} cannot be read: {error.strerror}. Pass the report.json of a run.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "contents"
        raise LoadTestError(f"{path} is not the report.json of a run: {place}: {first['msg']}.") from error


class SoakResult(Strict):
    """The result of a soak or an overload; ``failures`` lists the failed checks.

    ``rate`` is the requests per second that were planned, ``due_rate`` those that were due, which differ by chance, and
    ``sent_rate`` those that were sent in time. Only the samples of an overload have the requests that were not;
    ``requests`` and ``outcomes`` leave them out. ``late_p99_ms`` is how long after they were due these were sent, and
    ``waiting_share`` the share of the generator's users that waited for an answer, on average.
    """

    kind: str
    seconds: float
    variants: list[str]
    capacity: float
    rate: float
    due_rate: float
    sent_rate: float
    late_p99_ms: float | None
    waiting_share: float
    requests: int
    outcomes: dict[str, int]
    times: Times
    by_variant: dict[str, Times]
    memory_bytes: list[tuple[float, float]] = Field(default_factory=list)
    memory_bytes_per_minute: float | None = None
    recovery_seconds: float | None = None
    failures: list[str] = Field(default_factory=list)

    @property
    def keeps_up(self) -> bool:
        """Whether about as many requests were sent as were due."""
        return self.sent_rate >= KEEPS_UP_SHARE * self.due_rate

    @property
    def generator_slow(self) -> bool:
        """Whether the generator's users waited for the generator rather than for the server."""
        return not self.keeps_up and self.waiting_share < WAITING_SHARE

    @property
    def shortfall(self) -> str | None:
        """Why the load of an overload was none; None if it was one, or as much as was offered."""
        if self.keeps_up or self.sent_rate >= OVERLOAD * self.capacity:
            return None
        rates = f"{self.sent_rate:.1f} of {self.due_rate:.1f} requests/s were sent"
        times = f"{self.sent_rate / self.capacity:.2g} times the capacity"
        if self.generator_slow:
            return (
                f"the generator was too slow to overload the server: {rates}, {times}."
                " Run it on another machine, or choose slower variants with --variants"
            )
        return (
            f"no overload: {rates}, {times}, because nearly all users of the generator were waiting for answers."
            " If the server shares its CPUs with the generator, run that on another machine"
        )
