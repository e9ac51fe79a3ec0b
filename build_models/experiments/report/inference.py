"""Intervals by Student's t, tests of claims, the power that they have, and rank correlation.

An observation is the mean over the seeds of one language: seeds of one language share its data and test set, so they
are not independent. Everything here is about the mean over languages like these, with the seeds that were run; only
``Estimate.other_seeds`` is about seeds like these, too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from statistics import fmean, stdev, variance
from typing import Literal

ALPHA = 0.05
"""Probability of one wrong verdict or more, over all claims."""

POWER = 0.8

Word = Literal["confirmed", "refuted", "open"]


@cache
def t_quantile(tail: float, degrees: int) -> float:
    """The value that Student's t with ``degrees`` of freedom exceeds with probability ``tail``, below a half."""
    low, high = 0.0, 1.0
    while t_tail(high, degrees) > tail:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_tail(middle, degrees) > tail else (low, middle)
    return high


def t_tail(value: float, degrees: int) -> float:
    """The probability that Student's t exceeds ``value`` >= 0 (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4)."""
    angle = math.atan(value / math.sqrt(degrees))
    odd = degrees % 2
    term, total = (math.cos(angle) if odd else 1.0), 0.0
    for step in range(1 + odd, degrees, 2):
        total += term
        term *= step / (step + 1) * math.cos(angle) ** 2
    inside = 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
    return (1 - inside) / 2


@dataclass(frozen=True)
class Estimate:
    """The mean over ``number`` observations with its standard error, which is infinite for a single one.

    ``degrees`` of freedom are one less than the observations by default. ``other_seeds`` is the same mean with the
    error that it has if the seeds are a sample, too; bases are not, since several seeds share one.
    """

    mean: float
    error: float
    number: int
    degrees: int | None = None
    other_seeds: "Estimate | None" = field(default=None, compare=False)

    def half_width(self, tail: float) -> float:
        """Half of the interval that leaves out ``tail`` on either side."""
        degrees = self.number - 1 if self.degrees is None else self.degrees
        return t_quantile(tail, degrees) * self.error if self.number > 1 else math.inf

    @property
    def low(self) -> float:
        """The lower end of the 95% interval."""
        return self.mean - self.half_width(0.025)

    @property
    def high(self) -> float:
        """The upper end of the 95% interval."""
        return self.mean + self.half_width(0.025)

    def seen(self, tail: float) -> float:
        """The distance from a line that a one-sided test at ``tail`` sees with probability ``POWER``.

        The quantiles are of the central t. That is exact to a few percent with ten observations; with three, it is a
        sixth too little.
        """
        return self.half_width(tail) + self.half_width(1 - POWER)


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of the values. Raises ``statistics.StatisticsError`` if there are none."""
    error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return Estimate(fmean(values), error, len(values))


def crossed(values: Mapping[tuple[str, int], float]) -> tuple[float, int] | None:
    """Standard error and degrees of freedom of the mean if languages and seeds are both a sample.

    All languages share a seed, so what is by chance good or bad about it does not average out over them. Two-way random
    effects with one value for each language and seed; the degrees of freedom are Satterthwaite's (1946), rounded down.
    A variance of seeds below 0 counts as 0, but its uncertainty still costs degrees of freedom. Only seeds that all
    languages have count; None if there are fewer than two of them, or of languages.
    """
    languages = sorted({language for language, _ in values})
    seeds = [
        seed
        for seed in sorted({seed for _, seed in values})
        if all((language, seed) in values for language in languages)
    ]
    if len(languages) < 2 or len(seeds) < 2:
        return None
    by_language = {language: fmean(values[language, seed] for seed in seeds) for language in languages}
    by_seed = {seed: fmean(values[language, seed] for language in languages) for seed in seeds}
    mean = fmean(by_seed.values())
    rest = math.fsum(
        (values[language, seed] - by_language[language] - by_seed[seed] + mean) ** 2
        for language in languages
        for seed in seeds
    )
    of_languages = len(seeds) * variance(by_language.values())
    of_seeds = len(languages) * variance(by_seed.values())
    of_rest = rest / ((len(languages) - 1) * (len(seeds) - 1))
    total = max(of_languages, of_languages + of_seeds - of_rest)
    spread = (
        of_languages**2 / (len(languages) - 1)
        + of_seeds**2 / (len(seeds) - 1)
        + of_rest**2 / ((len(languages) - 1) * (len(seeds) - 1))
    )
    degrees = int(total**2 / spread) if spread else len(languages) - 1
    return math.sqrt(total / (len(languages) * len(seeds))), max(1, degrees)


@dataclass(frozen=True)
class Rule:
    """When a claim about a figure is confirmed or refuted.

    It is confirmed if the interval lies between ``low`` and ``high``, and refuted if it lies below ``below`` or above
    ``above``. No value is on the wrong side of both, so one-sided tests keep the error of either at their level. If
    both hold, as for a small gain that is certain, ``decide`` says confirmed.
    """

    words: str
    low: float = -math.inf
    high: float = math.inf
    below: float = -math.inf
    above: float = math.inf

    def confirmed(self, figure: Estimate | None, tail: float) -> bool:
        if figure is None or figure.number < 2:
            return False
        half = figure.half_width(tail)
        return self.low < figure.mean - half and figure.mean + half < self.high

    def refuted(self, figure: Estimate | None, tail: float) -> bool:
        if figure is None or figure.number < 2:
            return False
        half = figure.half_width(tail)
        return figure.mean + half < self.below or self.above < figure.mean - half


def decide(rule: Rule, figures: Sequence[Estimate | None], claims: int, any_of: bool = False) -> Word:
    """The verdict on a claim about all, or ``any_of``, of its figures, as one of ``claims`` claims (Bonferroni).

    That all figures hold needs every test at the claim's level (intersection-union); that one fails may be an accident
    of any of them, so each is tested at its share of the level. The other way round for ``any_of``.
    """
    if not figures:
        return "open"
    tail = ALPHA / claims
    share = tail / len(figures)
    if any_of:
        confirmed = any(rule.confirmed(figure, share) for figure in figures)
        refuted = all(rule.refuted(figure, tail) for figure in figures)
    else:
        confirmed = all(rule.confirmed(figure, tail) for figure in figures)
        refuted = any(rule.refuted(figure, share) for figure in figures)
    if confirmed:
        return "confirmed"
    return "refuted" if refuted else "open"


def correlation(one: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """Spearman's rank correlation with its 95% interval; NaN if one of the two is constant.

    The interval of a perfect correlation is NaN: the approximation has none.
    """
    first, second = ranks(one), ranks(other)
    spread = math.sqrt(sum(rank**2 for rank in first) * sum(rank**2 for rank in second))
    if not spread or len(one) < 4:
        return math.nan, math.nan, math.nan
    r = sum(a * b for a, b in zip(first, second, strict=True)) / spread
    if abs(r) > 1 - 1e-9:
        return r, math.nan, math.nan
    half = 1.96 * math.sqrt((1 + r**2 / 2) / (len(one) - 3))
    return r, math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks around their mean; equal values share theirs."""
    middle = (len(values) - 1) / 2
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) - 1) / 2 - middle
        for value in values
    ]
