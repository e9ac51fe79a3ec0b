"""What counts as a change and what as noise, and what the command answers."""

import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.report.compare import compare, judge
from loadtests.report.figures import Spread
from loadtests.report.record import Record, read_record
from loadtests.report.summary import summarise
from tests.loadtests.conftest import ENVIRONMENT, ROOT, Outcome


def spread(*values: float) -> Spread:
    found = Spread.of(values)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("before", "after", "higher_is_better", "verdict"),
    [
        ([10, 11, 12], [10, 11, 12], False, "same"),
        ([10, 11, 12], [11, 12, 13], False, "noise"),
        ([10, 11, 12], [13, 14, 15], False, "regression"),
        ([10, 11, 12], [13, 14, 15], True, "better"),
        ([10, 11, 12], [7, 8, 9], True, "regression"),
        ([10, 10.1, 10.2], [10.3, 10.4, 10.5], False, "worse"),
        ([10, 11], [20, 21], False, "cannot tell"),
        ([10, 11, 12, 13], [14, 15, 16, 17], False, "regression"),
        ([0, 0, 0], [5, 6, 7], False, "regression"),
        # One request that failed once.
        ([0, 0, 0], [0, 0, 1], False, "same"),
        ([0, 0, 0], [0, 1, 1], False, "noise"),
    ],
)
def test_a_change_is_judged(before: list[float], after: list[float], higher_is_better: bool, verdict: str) -> None:
    assert judge("dense", "figure", spread(*before), spread(*after), higher_is_better, 0.1).verdict == verdict


def test_exact_figures_have_no_noise() -> None:
    assert judge("dense", "bytes", spread(100), spread(120), False, 0.1, exact=True).verdict == "regression"
    assert judge("dense", "bytes", spread(100), spread(105), False, 0.1, exact=True).verdict == "worse"


def slower(record: Record, factor: float) -> Record:
    """The same run with every service time multiplied."""
    content = record.model_dump()
    for cell in content["cells"]:
        if cell["subject"] == "dense":
            times = cell["times"]["service"]
            # Answers enough that no percentile is left out.
            cell["times"]["service"] = {name: value * factor for name, value in times.items()} | {"count": 1000}
    # Three repetitions, where the run had two.
    extra = [{**cell, "repetition": 3} for cell in content["cells"] if cell["repetition"] == 2]
    return Record.model_validate({**content, "cells": [*content["cells"], *extra]})


def command(before: Path, after: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    arguments = [sys.executable, "-m", "loadtests", "compare", str(before), str(after), *options]
    return subprocess.run(arguments, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)


def test_the_command_fails_on_a_regression_over_the_limit(quick: Outcome, tmp_path: Path) -> None:
    record = read_record(quick.folder / "report.json")
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    before.write_text(slower(record, 1).model_dump_json())
    after.write_text(slower(record, 20).model_dump_json())
    assert command(before, before).returncode == 0
    worse = command(before, after)
    assert worse.returncode == 3, worse.stdout
    assert "regression" in worse.stdout
    assert command(before, after, "--limit", "1000").returncode == 0
    assert command(after, before).returncode == 0


def test_a_run_without_a_rate_inside_the_bound_is_a_regression(quick: Outcome) -> None:
    record = read_record(quick.folder / "report.json")
    content = record.model_dump()
    for cell in content["cells"]:
        if cell["pattern"] == "open" and cell["subject"] == "dense":
            cell["outcomes"] = {"no answer": sum(cell["outcomes"].values())}
    other = Record.model_validate(content)
    comparison = compare(record, other, 1000.0)
    assert comparison.regressed
    assert comparison.lost == ["dense"]
    assert any("no rate inside the bound to compare" in difference for difference in comparison.differences)
    assert not compare(other, record, 1000.0).lost
    settings = other.settings.model_copy(update={"bound_ms": 1.0})
    assert not compare(record, other.model_copy(update={"settings": settings}), 1000.0).lost


def offered(record: Record, best: list[float | None]) -> Record:
    """The same run with these maximum rates of dense, one a repetition; where there is none, a rate broke the bound."""
    cells = [cell for cell in record.cells if cell.subject != "dense"]
    closed = next(cell for cell in record.cells if (cell.subject, cell.pattern) == ("dense", "closed"))
    for repetition, rate in enumerate(best, 1):
        holds, breaks = ({"outcomes": {outcome: 1}, "repetition": repetition} for outcome in ("ok", "no answer"))
        cells.append(closed.model_copy(update={**holds, "throughput": 600.0}))
        level = {"pattern": "open", "level": rate or 5.0, "drift_ms": None}
        cells.append(closed.model_copy(update={**(holds if rate else breaks), **level}))
    return record.model_copy(update={"cells": cells})


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ([500, 500, 500], [None, None, 5], "regression"),
        ([500, 500, 500], [None, None, None], "regression"),
        ([500, 510, 520], [None, 500, 500], "noise"),
        ([500, 500, 500], [None, 500, 500], "same"),
        ([None, None, None], [500, 500, 500], "better"),
        ([None, None, None], [None, None, None], None),
    ],
)
def test_a_repetition_without_a_rate_inside_the_bound_counts_as_0(
    quick: Outcome, before: list[float | None], after: list[float | None], verdict: str | None
) -> None:
    record = read_record(quick.folder / "report.json")
    first, second = offered(record, before), offered(record, after)
    assert [second.best_rates("dense"), second.ran_out("dense")] == [after, any(after)]
    comparison = compare(first, second, 0.1)
    verdicts = {change.figure: change.verdict for change in comparison.changes if change.subject == "dense"}
    assert verdicts.get("max. requests/s within the bound") == verdict
    assert comparison.regressed == (verdict == "regression")
    said = [difference for difference in comparison.differences if "dense after: no rate" in difference]
    assert [", which counts as 0 (none found in" in text for text in said] == [bool(verdict)] * (None in after)
    # Another bound is another question.
    settings = first.settings.model_copy(update={"bound_ms": 1e6})
    other = compare(first.model_copy(update={"settings": settings}), second, 0.1)
    assert "which counts as 0" not in "".join(other.differences)


def test_a_repetition_without_any_answer_has_no_rate_either(quick: Outcome, tmp_path: Path) -> None:
    record = offered(read_record(quick.folder / "report.json"), [500, 500, 500])

    def broken(upto: int) -> Record:
        """The same run, whose first repetitions had no answer in the closed loops, and so no open loop."""
        cells = [
            cell.model_copy(update={"throughput": 0.0}) if cell.repetition <= upto else cell
            for cell in record.cells
            if cell.repetition > upto or cell.pattern == "closed"
        ]
        return record.model_copy(update={"cells": cells})

    for upto, sought in ((2, "2 of 3 repetitions, down to 500/s"), (3, "3 of 3 repetitions: no closed loop got")):
        assert broken(upto).best_rates("dense") == [None] * upto + [500] * (3 - upto)
        (row,) = (row for row in summarise(broken(upto)) if row.subject == "dense")
        assert row.best_rate is None
        assert row.rates_sought.startswith(f"none found in {sought}")
    (tmp_path / "before.json").write_text(record.model_dump_json())
    (tmp_path / "after.json").write_text(broken(3).model_dump_json())
    answer = command(tmp_path / "before.json", tmp_path / "after.json")
    assert answer.returncode == 3, answer.stdout
    assert "dense: no rate is inside the bound any more" in answer.stdout


def test_failed_requests_are_counted_by_repetition(quick: Outcome) -> None:
    record = slower(read_record(quick.folder / "report.json"), 1)
    content = record.model_dump()
    content["cells"][0]["outcomes"]["no answer"] = 1
    comparison = compare(record, Record.model_validate(content), 0.0)
    (change,) = (
        change
        for change in comparison.changes
        if (change.subject, change.figure) == (content["cells"][0]["subject"], "failed requests")
    )
    assert sum(change.after.values) == 1
    assert len(change.after.values) == 3
    assert not comparison.regressed


def test_it_says_what_makes_runs_hard_to_compare(quick: Outcome) -> None:
    record = read_record(quick.folder / "report.json")
    other = record.model_copy(update={"service": {**record.service, "threads": "7"}, "ended_early": "Interrupted."})
    differences = compare(record, other, 0.1).differences
    assert any("service, threads" in difference and "7 after" in difference for difference in differences)
    assert any("is incomplete" in difference for difference in differences)


def test_a_file_that_is_no_report(quick: Outcome, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    for path, message in ((tmp_path / "other.json", "is not the report.json"), (tmp_path / "none", "cannot be read")):
        answer = command(path, quick.folder / "report.json")
        assert answer.returncode == 1
        assert message in answer.stderr
