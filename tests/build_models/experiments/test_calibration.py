"""Scores of entities against the share that is right."""

import random

import pytest

from build_models.experiments.calibration import calibrated


def test_scores_that_are_right_as_often_as_they_say_have_no_error() -> None:
    draw = random.Random(1)
    scores = [draw.random() for _ in range(20_000)]
    found = calibrated((score, draw.random() < score) for score in scores)
    assert found.entities == 20_000
    assert found.error < 0.02
    assert found.score == pytest.approx(found.right, abs=0.01)


def test_overconfidence_is_the_error() -> None:
    found = calibrated([(0.95, True), (0.95, False), (1.0, False), (0.05, False)])
    assert found.right == 0.25
    assert found.error == pytest.approx((abs(0.95 + 0.95 + 1.0 - 1) + 0.05) / 4)


def test_nothing_found_has_no_error() -> None:
    assert calibrated([]).error == 0.0
