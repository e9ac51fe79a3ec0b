"""Calibration of entity scores: of the entities with a score near 0.9, nine in ten should be correct."""

from collections.abc import Sequence

from service.ner.decoding import EntitySpan
from service.schemas.accuracy import CalibrationAnswer, CalibrationBin

BINS = 10


class Calibration:
    """Counts predicted and correct entities by score."""

    def __init__(self) -> None:
        self._counts = [0] * BINS
        self._right = [0] * BINS
        self._scores = [0.0] * BINS

    def add(self, gold: Sequence[EntitySpan], predicted: Sequence[tuple[EntitySpan, float]]) -> None:
        right = set(gold)
        for span, score in predicted:
            place = min(int(score * BINS), BINS - 1)
            self._counts[place] += 1
            self._right[place] += span in right
            self._scores[place] += score

    def answer(self) -> CalibrationAnswer:
        bins = [
            CalibrationBin(
                low=place / BINS,
                high=(place + 1) / BINS,
                count=count,
                mean_score=scores / count if count else None,
                right=right / count if count else None,
            )
            for place, (count, right, scores) in enumerate(zip(self._counts, self._right, self._scores, strict=True))
        ]
        gaps = (abs(right - scores) for right, scores in zip(self._right, self._scores, strict=True))
        total = sum(self._counts)
        return CalibrationAnswer(expected_error=sum(gaps) / total if total else None, bins=bins)
