"""Scores of entities against the share that is right."""

from collections.abc import Sequence

import pytest

from build_models.experiments.calibration import summed
from service.evaluation.figures.calibration import Calibration
from service.ner.decoding import EntitySpan


def of(entities: Sequence[tuple[float, bool]]) -> Calibration:
    counts = Calibration()
    for score, right in entities:
        span = EntitySpan("PER", 0, 0)
        counts.add([span] if right else [], [(span, score)])
    return counts


def test_means_and_error_are_over_all_entities() -> None:
    found = summed(of([(0.95, True), (0.95, False), (1.0, False), (0.05, False)]))
    assert (found.entities, found.right) == (4, 0.25)
    assert found.score == pytest.approx((0.95 + 0.95 + 1.0 + 0.05) / 4)
    assert found.error == pytest.approx((abs(0.95 + 0.95 + 1.0 - 1) + 0.05) / 4)


def test_a_model_that_finds_nothing_is_not_well_calibrated() -> None:
    assert summed(of([])) is None
