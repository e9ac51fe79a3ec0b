import numpy as np
import pytest
from numpy.typing import NDArray

from service.evaluation.figures.intervals import RESAMPLES, intervals, ratio, resampled_sums
from service.ner.pipeline import run_to_end


def sums_of(counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """The resampled sums of a table with a row for each sentence."""
    places, columns = (np.repeat(axis, counts.ravel()) for axis in np.indices(counts.shape).reshape(2, -1))
    return run_to_end(resampled_sums(len(counts), places.astype(np.int32), columns, counts.shape[1]))


def test_the_interval_is_that_of_theory() -> None:
    """The sum of n draws from zeros and ones is binomial."""
    sentences, share = 2000, 0.3
    sums = sums_of((np.arange(sentences) < share * sentences).astype(int)[:, None])
    assert sums.shape == (RESAMPLES, 1)
    deviation = (sentences * share * (1 - share)) ** 0.5
    low, high = intervals(sums[:, 0].astype(float))
    assert low == pytest.approx(600 - 1.96 * deviation, abs=0.15 * deviation)
    assert high == pytest.approx(600 + 1.96 * deviation, abs=0.15 * deviation)


def test_columns_see_the_same_draws_and_every_time() -> None:
    counts = np.random.default_rng(1).integers(0, 5, (300, 1))
    sums = sums_of(np.hstack([counts, np.zeros_like(counts), counts, np.ones_like(counts)]))
    assert (sums[:, 0] == sums[:, 2]).all()
    assert (sums[:, 1] == 0).all()
    assert (sums[:, 3] == 300).all(), "as many sentences as there are"
    assert (sums[:, :1] == sums_of(counts)).all()
    assert len(set(sums[:, 0])) > 50


@pytest.mark.parametrize("sentences", [3, 500, 25_000])
def test_the_sums_are_those_of_the_drawn_sentences(sentences: int) -> None:
    counts = np.random.default_rng(2).integers(0, 3, (sentences, 4))
    sums = sums_of(counts)
    generator = np.random.default_rng(20240407)
    for row in range(20):
        assert (sums[row] == counts[generator.integers(0, sentences, sentences)].sum(axis=0)).all()


def test_it_goes_in_steps() -> None:
    things = np.arange(1000, dtype=np.int32)
    steps = resampled_sums(1000, things, np.zeros(1000, dtype=np.intp), 1)
    assert sum(1 for _ in steps) > 10


def test_one_sentence_has_no_width() -> None:
    assert intervals(sums_of(np.array([[3]]))[:, 0].astype(float)).tolist() == [3, 3]


def test_nothing_to_count() -> None:
    assert sums_of(np.zeros((5, 2), dtype=int)).tolist() == [[0, 0]] * RESAMPLES


def test_intervals_are_percentiles() -> None:
    values = np.random.default_rng(3).random((RESAMPLES, 2, 3))
    low, high = np.percentile(values, [2.5, 97.5], axis=0)
    assert intervals(values) == pytest.approx(np.stack([low, high], axis=-1), abs=1e-12)


def test_nothing_to_divide_by_is_zero() -> None:
    assert ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0])).tolist() == [0.5, 0.0]
