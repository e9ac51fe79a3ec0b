"""Intervals, verdicts and power, against tables and by simulation with known truth."""

import random
from itertools import product
from statistics import fmean

import pytest

from build_models.experiments.report.claims import CLAIMS, CLOSE, HIGHER, MARGIN, at_least, claims_table, within
from build_models.experiments.report.figures import over_languages
from build_models.experiments.report.inference import (
    ALPHA,
    POWER,
    Estimate,
    Rule,
    crossed,
    decide,
    estimate,
    t_quantile,
)
from tests import ROOT

LANGUAGES = [f"language {number}" for number in range(10)]
TAIL = ALPHA / len(CLAIMS)


def simulated(draw: random.Random, effect: float, between: float = 1.0, seeds: float = 0.7) -> Estimate:
    """A study of ten languages and three seeds in which the mean over all languages is ``effect``."""
    own = {language: draw.gauss(effect, between) for language in LANGUAGES}
    return over_languages(
        {(language, seed): draw.gauss(own[language], seeds) for language, seed in product(LANGUAGES, (1, 2, 3))}
    )


# Abramowitz and Stegun, table 26.10.
@pytest.mark.parametrize(
    ("tail", "degrees", "value"),
    [(0.025, 1, 12.706), (0.025, 2, 4.303), (0.025, 9, 2.262), (0.005, 9, 3.250), (0.05, 30, 1.697), (0.1, 4, 1.533)],
)
def test_quantiles_of_student_s_t(tail: float, degrees: int, value: float) -> None:
    assert t_quantile(tail, degrees) == pytest.approx(value, abs=0.0006)


@pytest.mark.parametrize("tail", [0.025, TAIL])
def test_intervals_leave_the_truth_out_as_often_as_they_say(tail: float) -> None:
    draw = random.Random(1)
    number = 3000
    studies = (simulated(draw, 0.0) for _ in range(number))
    missed = sum(abs(study.mean) > study.half_width(tail) for study in studies)
    assert 0.6 * 2 * tail < missed / number < 1.4 * 2 * tail


def test_the_error_of_a_mean_over_languages_and_seeds_that_are_both_a_sample() -> None:
    # Mean squares: 4 of languages, 9 of seeds, 1 of the rest.
    values = {("a", 1): 0.0, ("a", 2): 2.0, ("b", 1): 1.0, ("b", 2): 5.0}
    assert crossed(values) == (pytest.approx(3.0**0.5), 1)
    assert crossed({**values, ("a", 3): 99.0}) == crossed(values), "a seed that one language lacks"
    assert crossed({("a", 1): 0.0, ("a", 2): 2.0}) is None
    assert crossed({("a", 1): 0.0, ("b", 1): 2.0}) is None
    same = {("a", 1): 1.0, ("a", 2): 1.0, ("b", 1): 1.0, ("b", 2): 1.0}
    assert crossed(same) == (0.0, 1), "sizes do not depend on the seed"


@pytest.mark.parametrize("number", [2, 3, 5])
def test_a_seed_that_is_lucky_in_all_languages_counts_only_as_one(number: int) -> None:
    draw = random.Random(6)
    studies = 400
    missed = {(name, tail): 0 for name in ("these seeds", "other seeds") for tail in (0.025, TAIL)}
    for _ in range(studies):
        own, luck = ([draw.gauss(0.0, 1.0) for _ in range(count)] for count in (len(LANGUAGES), number))
        study = over_languages(
            {
                (LANGUAGES[language], seed): own[language] + luck[seed] + draw.gauss(0.0, 1.4)
                for language, seed in product(range(len(LANGUAGES)), range(number))
            }
        )
        assert study.other_seeds is not None
        for name, tail in missed:
            figure = study if name == "these seeds" else study.other_seeds
            missed[name, tail] += abs(figure.mean) > figure.half_width(tail)
    assert missed["these seeds", 0.025] / studies > 0.15
    # Within three standard errors of at most 5%, and of 0.67%.
    assert missed["other seeds", 0.025] / studies < 0.083
    assert missed["other seeds", TAIL] / studies < 0.019


@pytest.mark.parametrize(
    ("rule", "truth", "wrong"),
    [
        (CLOSE, MARGIN, "confirmed"),
        (CLOSE, -MARGIN, "refuted"),
        (HIGHER, 0.0, "confirmed"),
        (HIGHER, MARGIN, "refuted"),
        (at_least(-2.0), -2.0, "confirmed"),
        (at_least(-2.0), -2.0, "refuted"),
    ],
)
def test_few_studies_of_all_claims_have_a_wrong_verdict(rule: Rule, truth: float, wrong: str) -> None:
    """The truth lies on a claim's line, where a wrong verdict is most probable."""
    draw = random.Random(2)
    number = 300
    studies = [{decide(rule, [simulated(draw, truth)], len(CLAIMS)) for _ in range(len(CLAIMS))} for _ in range(number)]
    # Three standard errors of a share of 5% above it.
    assert 0 < sum(wrong in verdicts for verdicts in studies) / number < 0.088


def test_a_claim_about_all_of_seven_figures_is_not_refuted_by_the_worst_of_chance() -> None:
    draw = random.Random(3)
    number = 400
    rule = at_least(0.0)
    refuted = sum(decide(rule, [simulated(draw, 0.0) for _ in range(7)], claims=1) == "refuted" for _ in range(number))
    assert refuted / number < 0.083
    confirmed = sum(
        decide(rule, [simulated(draw, 0.0) for _ in range(7)], 1, any_of=True) == "confirmed" for _ in range(number)
    )
    assert confirmed / number < 0.083


def test_power_is_what_is_said() -> None:
    draw = random.Random(4)
    error = fmean(simulated(draw, 0.0).error ** 2 for _ in range(300)) ** 0.5
    difference = Estimate(0.0, error, len(LANGUAGES)).seen(TAIL)
    number = 600
    seen = sum(decide(HIGHER, [simulated(draw, difference)], len(CLAIMS)) == "confirmed" for _ in range(number))
    assert seen / number == pytest.approx(POWER, abs=0.06)


def test_verdicts_by_their_rules() -> None:
    exact = 1e-3
    assert decide(CLOSE, [Estimate(0.9, exact, 10)], 15) == "confirmed"
    assert decide(CLOSE, [Estimate(1.1, exact, 10)], 15) == "refuted", "better by more than the margin is not close"
    assert decide(CLOSE, [Estimate(0.9, 0.1, 10)], 15) == "open"
    assert decide(HIGHER, [Estimate(0.1, exact, 10)], 15) == "confirmed", "by however little"
    assert decide(HIGHER, [Estimate(0.0, 0.1, 10)], 15) == "refuted", "no difference that matters"
    assert decide(HIGHER, [Estimate(0.0, 1.0, 10)], 15) == "open"
    assert decide(within(-6.0, -4.0), [Estimate(-5.0, exact, 10)], 15) == "confirmed"
    assert decide(within(-6.0, -4.0), [Estimate(-1.0, exact, 10)], 15) == "refuted"
    assert decide(CLOSE, [estimate([0.0])], 15) == "open", "one language has no interval"
    assert decide(CLOSE, [Estimate(0.0, exact, 10), None], 15) == "open"
    assert decide(CLOSE, [Estimate(0.0, exact, 10), Estimate(3.0, exact, 10)], 15) == "refuted"
    assert decide(CLOSE, [Estimate(0.0, exact, 10), Estimate(3.0, exact, 10)], 15, any_of=True) == "confirmed"
    assert decide(CLOSE, [], 15) == "open"


def test_the_documentation_has_the_tests_as_they_are() -> None:
    assert claims_table() in (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
