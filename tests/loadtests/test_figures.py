"""Texts, percentiles, spreads and fronts: what needs no server."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from loadtests.errors import LoadTestError
from loadtests.load.samples import OK, Sample
from loadtests.load.texts import LONG_CHARACTERS, draw, read_texts
from loadtests.report.figures import Percentiles, Spread, Times, drift, measured, slope_per_minute
from loadtests.report.record import Cell, best_rate
from loadtests.report.summary import pareto
from loadtests.runs.rates import RATES


def sample(intended: float, started: float, ended: float, outcome: str = OK) -> Sample:
    return Sample("dense", 0, intended, started, ended, outcome, 1.0, 2.0)


def test_conll_folders_and_files_give_sentences(tmp_path: Path) -> None:
    (tmp_path / "hau.conll").write_text("\ufeffMuhammadu B-PER\nBuhari I-PER\n\n\nKano B-LOC\n", encoding="utf-8")
    (tmp_path / "swa.conll").write_text("Nairobi\tB-LOC", encoding="utf-8")
    assert list(read_texts(tmp_path)) == ["Muhammadu Buhari", "Kano", "Nairobi"]
    assert list(read_texts(tmp_path / "swa.conll")) == ["Nairobi"]
    (tmp_path / "masakhaner" / "hau").mkdir(parents=True)
    (tmp_path / "masakhaner" / "hau" / "test.txt").write_text("Abuja B-LOC\n", encoding="utf-8")
    assert list(read_texts(tmp_path / "masakhaner")) == ["Abuja"]
    (tmp_path / "lines.txt").write_text(" One text. \n\nAnother.\n", encoding="utf-8")
    assert list(read_texts(tmp_path / "lines.txt")) == ["One text.", "Another."]


def test_texts_are_drawn_with_a_seed(tmp_path: Path) -> None:
    file = tmp_path / "lines.txt"
    file.write_text("\n".join(f"sentence {number}" for number in range(100)), encoding="utf-8")
    drawn = draw(file, 20, 1, with_long=True)
    assert drawn == draw(file, 20, 1, with_long=True)
    assert drawn.digest != draw(file, 20, 2, with_long=True).digest
    assert [len(text) for text in drawn.texts[-drawn.long :]] == [LONG_CHARACTERS] * 4
    assert len(drawn.texts) == 24


def test_texts_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "folder").mkdir()
    for name, message in (
        ("latin.txt", r"latin.txt is not UTF-8 \(byte 3\)"),
        ("empty.txt", "empty.txt has no text"),
        ("none.txt", "none.txt cannot be read: No such file"),
        ("folder", r"folder has no \*.conll"),
    ):
        with pytest.raises(LoadTestError, match=message):
            draw(tmp_path / name, 1, 1, with_long=False)


def test_percentiles_are_those_of_the_raw_values() -> None:
    values = list(np.random.default_rng(1).exponential(10, 5000))
    found = Percentiles.of(values)
    assert found is not None
    assert (found.p50, found.p999) == (np.percentile(values, 50), np.percentile(values, 99.9))
    assert Percentiles.of([]) is None


def test_the_warm_up_and_what_was_due_later_do_not_count() -> None:
    samples = [
        sample(-0.5, -0.5, 0.2),
        sample(0.1, 0.2, 0.4),
        sample(0.9, 0.9, 1.2),
        sample(0.5, 0.5, 0.6, "status 429"),
    ]
    requests, outcomes, throughput, right = measured(samples, 1.0)
    assert (requests, outcomes) == (3, {OK: 2, "status 429": 1})
    # Two right answers came within the second, one of them to a request of the warm-up.
    assert throughput == 2
    times = Times.of(right)
    assert times.response is not None
    assert times.service is not None
    assert times.response.p50 == pytest.approx(300)
    assert times.service.p50 == pytest.approx(250)


def cell(level: float, milliseconds: float, outcomes: dict[str, int] | None = None) -> Cell:
    return Cell(
        subject="dense",
        pattern="open",
        level=level,
        repetition=1,
        seconds=1,
        requests=1,
        outcomes=outcomes or {OK: 1},
        throughput=level,
        times=Times.of([sample(0, 0, milliseconds / 1000)]),
        by_variant={},
        generator_cpu_share=0.1,
        server_cpus=None,
    )


def test_the_best_rate_is_the_last_before_the_bound_breaks() -> None:
    assert best_rate([cell(10, 50), cell(20, 90), cell(30, 300), cell(40, 80)], 100) == 20
    assert best_rate([cell(10, 50), cell(20, 90, {OK: 9, "status 429": 1})], 100) == 10
    assert best_rate([cell(10, 101)], 100) == 0


def test_a_queue_that_grows_breaks_the_bound_before_the_answers_do() -> None:
    """One second of requests, 10% more than the server takes: none waits for the bound yet, all would in a minute."""
    steady = [sample(at / 100, at / 100, at / 100 + 0.01) for at in range(100)]
    growing = [sample(at / 100, at / 100, 1.1 * at / 100 + 0.01) for at in range(100)]
    assert drift(steady) == pytest.approx(0)
    assert drift(growing) == pytest.approx(90)
    assert drift(steady[:9]) is None
    assert cell(100, 50).model_copy(update={"drift_ms": drift(steady)}).within(250)
    assert not cell(100, 50).model_copy(update={"drift_ms": drift(growing)}).within(250)


def test_percentiles_of_too_few_values_are_not_shown() -> None:
    for count, shown in ((99, (False, False)), (100, (True, False)), (1000, (True, True))):
        found = Percentiles.of([1.0] * count)
        assert found is not None
        assert (found.shown("p99") is not None, found.shown("p999") is not None) == shown
        assert found.shown("p50") == 1.0


def test_the_rates_of_all_runs_lie_on_one_grid() -> None:
    slow, fast = RATES.around(40), RATES.around(47)
    assert slow[0] >= 10 > slow[0] / 1.1
    assert slow[-1] >= 60 > slow[-1] / 1.1
    assert [rate for rate in slow if rate >= fast[0]] == [rate for rate in fast if rate <= slow[-1]]
    assert [after / before for before, after in pairwise(slow)] == pytest.approx([1.1] * (len(slow) - 1), rel=1e-3)


def test_a_spread_needs_every_repetition() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(median=2, low=1, high=3, values=[3, 1, 2])
    assert Spread.of([1.0, None]) is None
    assert Spread.of([1.0, math.nan]) is None


def test_the_pareto_front() -> None:
    points = {"dense": (40.0, 0.84), "pruned": (40.0, 0.81), "dynamic": (20.0, 0.84), "distilled": (15.0, 0.80)}
    assert pareto(points) == ["distilled", "dynamic"]


def test_the_slope_of_memory_leaves_the_beginning_out() -> None:
    assert slope_per_minute([(0, 0.0), (10, 600.0), (20, 610.0), (30, 620.0), (40, 630.0)]) == pytest.approx(60)
    assert slope_per_minute([(0, 1.0), (1, 2.0)]) is None
