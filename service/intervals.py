"""Bootstrap intervals over sentences (Efron 1979; paired differences as in Berg-Kirkpatrick et al. 2012)."""

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
SEED = 20240407
DRAWS_AT_ONCE = 20_000
"""Sentences drawn in one step, a millisecond or two, so that other work can go in between."""

Interval = tuple[float, float]


def resampled_sums(counts: NDArray[np.float64]) -> Generator[None, None, NDArray[np.float64]]:
    """Column sums over as many sentences as there are, drawn with replacement; the draws are always the same.

    ``counts`` has the shape (sentences, columns), the result (RESAMPLES, columns). All columns see the same draws, so
    a difference of two of them is a paired one. Yields between steps.
    """
    sentences = len(counts)
    generator = np.random.default_rng(SEED)
    rows = max(1, DRAWS_AT_ONCE // sentences)
    sums = np.empty((RESAMPLES, counts.shape[1]))
    for first in range(0, RESAMPLES, rows):
        some = min(rows, RESAMPLES - first)
        drawn = generator.integers(0, sentences, (some, sentences)) + np.arange(some)[:, None] * sentences
        times = np.bincount(drawn.ravel(), minlength=some * sentences).reshape(some, sentences)
        sums[first : first + some] = times.astype(np.float64) @ counts
        yield
    return sums


def interval(values: NDArray[np.float64]) -> Interval:
    """The middle 95% of resampled values."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def ratio(numerators: NDArray[np.float64], denominators: NDArray[np.float64]) -> NDArray[np.float64]:
    """Element by element; 0 where there is nothing to divide by, as for single scores."""
    return np.divide(numerators, denominators, out=np.zeros_like(numerators), where=denominators > 0)
