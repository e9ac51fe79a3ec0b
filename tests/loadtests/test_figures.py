"""Texts, percentiles, spreads and fronts: what needs no server."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from loadtests.errors import LoadTestError
from loadtests.load.samples import NO_ANSWER, OK, Sample
from loadtests.load.texts import LONG_CHARACTERS, draw, read_texts
from loadtests.report.figures import Percentiles, Spread, Times, drift, measured, slope_per_minute
from loadtests.report.record import Cell, best_rate
from loadtests.report.summary import pareto
from loadtests.runs.rates import FEWEST_REQUESTS, RATES
from service.evaluation.conll import parse_conll
from service.evaluation.reading import read


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
    (tmp_path / "masakhaner" / "hau" / "test.md").write_text("Notes.\n", encoding="utf-8")
    (tmp_path / "masakhaner" / "hau" / "train.txt").write_text("Jos B-LOC\n", encoding="utf-8")
    assert list(read_texts(tmp_path / "masakhaner")) == ["Abuja"]
    for name in ("train", "test"):
        (tmp_path / "splits").mkdir(exist_ok=True)
        (tmp_path / "splits" / f"{name}.conll").write_text(f"{name} B-LOC\n", encoding="utf-8")
    assert list(read_texts(tmp_path / "splits")) == ["test"]
    (tmp_path / "splits" / "hau").mkdir()
    (tmp_path / "splits" / "hau" / "test.txt").write_text("Abuja B-LOC\n", encoding="utf-8")
    assert list(read_texts(tmp_path / "splits")) == ["test"]
    (tmp_path / "splits" / "test.conll").unlink()
    (tmp_path / "splits" / "test.md").write_text("Notes.\n", encoding="utf-8")
    assert list(read_texts(tmp_path / "splits")) == ["train"]
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "test.md").write_text("Notes.\n", encoding="utf-8")
    (tmp_path / "notes" / "train.txt").write_text("Jos B-LOC\n", encoding="utf-8")
    assert list(read_texts(tmp_path / "notes")) == ["Jos"]
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "test.csv").write_text("Kano.\n", encoding="utf-8")
    assert list(read_texts(tmp_path / "table")) == ["Kano."]
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "names.tsv").write_text("Kano\tB-LOC\n", encoding="utf-8")
    assert list(read_texts(tmp_path / "one")) == ["Kano"]
    (tmp_path / "lines.txt").write_text(" One text. \n\nAnother.\n", encoding="utf-8")
    assert list(read_texts(tmp_path / "lines.txt")) == ["One text.", "Another."]


def test_labelled_data_is_recognized_by_what_is_in_it(tmp_path: Path) -> None:
    forms = {
        "plain.txt": "Katika O\nNairobi B-LOC\n\nRuto I-PER\n",
        "tabs.tsv": "Katika\tO\nNairobi\tB-LOC\n\nRuto\tS-PER\n",
        "numbers.txt": "1 Katika NN O\n2 Nairobi NNP B-LOC\n\n1 Ruto NNP B-PER\n",
        "prefix.txt": "sw:Katika\tO\nsw:Nairobi\tB-LOC\n\nsw:Ruto\tB-PER\n",
        "comments.txt": "# text = Katika O\nKatika O\n# mji mkuu O\nNairobi B-LOC\n\nRuto b-per\n",
        "ends.txt": "-DOCSTART- O\rKatika O\rNairobi B-LOC\r\rRuto B-PER\r",
        "empty.txt": "Katika O\n O\nNairobi B-LOC\n\nRuto B-PER\n",
        "annotators.txt": "1\tKatika\tO\t-\tann\n2\tNairobi\tB-LOC\t-\tann\n\n1\tRuto\tB-PER\t-\tann\n",
        "rows.jsonl": '{"tokens": ["Katika", "Nairobi"], "labels": ["O", "B-LOC"]}\n{"text": "Ruto"}\n',
    }
    for name, text in forms.items():
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
        assert list(read_texts(tmp_path / name)) == ["Katika Nairobi", "Ruto"], name
        if name != "rows.jsonl":
            (reading,) = read([parse_conll(name, "swa", text)]).sentences
            assert [" ".join(sentence.words) for sentence in reading] == ["Katika Nairobi", "Ruto"], name
    (tmp_path / "lines.txt").write_text("# Habari\nNairobi ni mji.\nO\n- B-52\n", encoding="utf-8")
    assert list(read_texts(tmp_path / "lines.txt")) == ["# Habari", "Nairobi ni mji.", "O", "- B-52"]


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


def test_a_closed_loop_counts_what_was_in_flight_when_the_warm_up_ended() -> None:
    samples = [
        sample(-0.9, -0.9, -0.5),
        sample(-0.5, -0.5, 0.2),
        sample(0.2, 0.2, 0.4),
        sample(-0.7, -0.7, 30.0, NO_ANSWER),
    ]
    assert measured(samples, 1.0)[:2] == (1, {OK: 1})
    assert measured(samples, 1.0, closed=True)[:2] == (3, {OK: 2, NO_ANSWER: 1})


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
    assert best_rate([cell(10, 101)], 100) is None


def searched(holds: float) -> list[Cell]:
    """24 answers a second in the closed loop; the open loop is inside the bound up to ``holds``."""
    cells: list[Cell] = []
    search = RATES.search(24.0, FEWEST_REQUESTS / 10)
    rate = next(search)
    while True:
        cells.append(cell(rate, 50 if rate <= holds else 300))
        try:
            rate = search.send(cells[-1].within(250))
        except StopIteration:
            return cells


@pytest.mark.parametrize("holds", [1000.0, 24.0, 5.0, 2.2, 0.5])
def test_the_search_goes_down_until_a_rate_holds(holds: float) -> None:
    cells = searched(holds)
    tried = [cell.level for cell in cells]
    best = best_rate(cells, 250)
    grid = RATES.around(24.0)
    assert tried[0] == grid[0]
    assert len(set(tried)) == len(tried)
    if holds > grid[-1]:
        assert best == grid[-1]
    else:
        assert best is not None
        assert best <= holds < best * 1.101, "the next rate of the grid is too much"
    powers = [math.log(rate, 1.1) for rate in tried]
    assert powers == pytest.approx([round(power) for power in powers], abs=1e-2)


def test_what_was_not_found_is_no_number() -> None:
    cells = searched(0)
    assert best_rate(cells, 250) is None
    assert 0.3 <= min(cell.level for cell in cells) < 0.6, "fewer than three requests in ten seconds say nothing"


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
