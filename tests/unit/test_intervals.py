import numpy as np
import pytest

from service.intervals import RESAMPLES, interval, ratio, resampled_sums
from service.pipeline import run_to_end


def test_the_interval_is_that_of_theory() -> None:
    """The sum of n draws from zeros and ones is binomial."""
    sentences, share = 2000, 0.3
    counts = (np.arange(sentences) < share * sentences).astype(float)[:, None]
    sums = run_to_end(resampled_sums(counts))
    assert sums.shape == (RESAMPLES, 1)
    deviation = (sentences * share * (1 - share)) ** 0.5
    low, high = interval(sums[:, 0])
    assert low == pytest.approx(600 - 1.96 * deviation, abs=0.15 * deviation)
    assert high == pytest.approx(600 + 1.96 * deviation, abs=0.15 * deviation)


def test_columns_see_the_same_draws_and_every_time() -> None:
    counts = np.random.default_rng(1).integers(0, 5, (300, 1)).astype(float)
    sums = run_to_end(resampled_sums(np.hstack([counts, counts, 300 * np.ones_like(counts)])))
    assert (sums[:, 0] == sums[:, 1]).all()
    assert (sums[:, 2] == 300 * 300).all(), "as many sentences as there are"
    assert (sums[:, :1] == run_to_end(resampled_sums(counts))).all()
    assert len(set(sums[:, 0])) > 50


def test_it_goes_in_steps() -> None:
    steps = resampled_sums(np.ones((1000, 3)))
    assert sum(1 for _ in steps) > 10


def test_one_sentence_has_no_width() -> None:
    assert interval(run_to_end(resampled_sums(np.array([[3.0]])))[:, 0]) == (3, 3)


def test_nothing_to_divide_by_is_zero() -> None:
    assert ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0])).tolist() == [0.5, 0.0]
