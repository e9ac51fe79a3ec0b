import pytest

from service.evaluation.figures.calibration import Calibration
from service.ner.decoding import EntitySpan


def test_by_hand() -> None:
    calibration = Calibration()
    right, wrong = EntitySpan("PER", 0, 0), EntitySpan("PER", 2, 2)
    calibration.add([right], [(right, 0.95), (wrong, 0.91)])
    calibration.add([], [(wrong, 0.3)])
    calibration.add([right], [(right, 1.0)])
    answer = calibration.answer()
    assert [(each.low, each.high) for each in answer.bins] == [(place / 10, (place + 1) / 10) for place in range(10)]
    assert [each.count for each in answer.bins] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 3]
    low, high = answer.bins[3], answer.bins[9]
    assert (low.mean_score, low.right) == (0.3, 0)
    assert (high.mean_score, high.right) == (pytest.approx(2.86 / 3), pytest.approx(2 / 3))
    assert (answer.bins[0].mean_score, answer.bins[0].right) == (None, None)
    # A quarter of |0.3 - 0|, three quarters of |2.86 / 3 - 2 / 3|.
    assert answer.expected_error == pytest.approx((0.3 + 0.86) / 4)


def test_nothing_predicted_is_no_error_of_zero() -> None:
    assert Calibration().answer().expected_error is None
