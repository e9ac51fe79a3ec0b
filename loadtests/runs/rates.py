"""The rates of the open loop."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Grid:
    """Rates that are powers of ``step``, so that runs and repetitions are comparable.

    ``lowest`` and ``highest`` limit them, relative to the throughput of the closed loops.
    """

    step: float
    lowest: float
    highest: float

    def around(self, capacity: float) -> list[float]:
        """Requests per second in ascending order, rounded to four digits."""
        first = math.ceil(math.log(self.lowest * capacity, self.step))
        last = math.ceil(math.log(self.highest * capacity, self.step))
        return [self._rate(power) for power in range(first, last + 1)]

    def below(self, rate: float, least: float) -> list[float]:
        """Falling rates for when ``rate`` is too high, each about half the one before, down to ``least``."""
        first, stride = round(math.log(rate, self.step)), round(math.log(2, self.step))
        last = math.ceil(math.log(least, self.step))
        return [self._rate(power) for power in range(first - stride, last - 1, -stride)]

    def between(self, low: float, high: float) -> list[float]:
        """Rising rates above ``low`` and below ``high``."""
        first, after = (round(math.log(rate, self.step)) for rate in (low, high))
        return [self._rate(power) for power in range(first + 1, after)]

    def _rate(self, power: int) -> float:
        return float(f"{self.step**power:.4g}")


RATES = Grid(step=1.1, lowest=0.25, highest=1.5)

QUICK_RATES = Grid(step=1.3, lowest=0.4, highest=1.3)
