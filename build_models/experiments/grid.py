"""Runs a grid and reports progress."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from build_models.experiments.cells import Cell
from build_models.experiments.run import OTHER_CODE, Outcome, Places
from build_models.progress import progress, say

Executor = Callable[[Sequence[Cell], Places], Iterator[Outcome]]


def run_grid(
    name: str,
    cells: Sequence[Cell],
    places: Places,
    execute: Executor,
    on_first_result: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """Run every cell that has no result yet. Failed cells are reported and retried by the next run.

    ``on_first_result`` is called once a result of this code is there: a grid that is killed has results, too.
    """
    unique = list(dict.fromkeys(cells))
    say(f"{name}: {len(unique)} cells, results in {places.results}")
    outcomes: list[Outcome] = []
    started = time.monotonic()
    with progress(name, len(unique)) as advance:
        for outcome in execute(unique, places):
            if not any(map(counts, outcomes)) and counts(outcome):
                on_first_result()
            outcomes.append(outcome)
            advance(note=str(outcome.cell))
            if outcome.state != "kept":
                say(describe(outcome, outcomes, len(unique), time.monotonic() - started))
    states = Counter(outcome.state for outcome in outcomes)
    say(f"{name}: " + ", ".join(f"{states[state]} {state}" for state in ("made", "kept", "busy", "failed")))
    if len(outcomes) < len(unique):
        say(f"{name}: stopped with {len(unique) - len(outcomes)} cells to go; run the same command again")
    if others := sum(outcome.state == "kept" and bool(outcome.message) for outcome in outcomes):
        say(f"{name}: {others} of the kept results were {OTHER_CODE}; move their files away to compute them again")
    return outcomes


def counts(outcome: Outcome) -> bool:
    """Whether the cell has a result of this code."""
    return outcome.state == "made" or (outcome.state == "kept" and outcome.message != OTHER_CODE)


def describe(outcome: Outcome, outcomes: Sequence[Outcome], total: int, elapsed: float) -> str:
    """A line about a finished cell, with an estimate of the remaining time."""
    worked = sum(other.state in ("made", "failed") for other in outcomes)
    left = elapsed / max(1, worked) * (total - len(outcomes))
    text = f"{len(outcomes)}/{total} {outcome.cell}: {outcome.state} in {outcome.seconds:.0f} s"
    if outcome.message:
        text += f": {outcome.message}"
    return f"{text}; about {left / 60:.0f} min left" if left else text
