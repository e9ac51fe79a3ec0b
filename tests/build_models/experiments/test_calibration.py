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


def test_nothing_found_has_no_error() -> None:
    assert summed(of([])).model_dump() == {"entities": 0, "score": 0.0, "right": 0.0, "error": 0.0}
