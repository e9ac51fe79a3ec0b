"""The rates of the open loop."""

import math
from collections.abc import Generator
from dataclasses import dataclass
from itertools import pairwise


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

    def search(self, capacity: float, least: float) -> Generator[float, bool, None]:
        """Rates to try, each answered by whether it held: rising until one does not.

        Where the first one does not, they fall, each about half the one before and none below ``least``, until one
        holds, and rise from there.
        """
        first, *rising = self.around(capacity)
        if not (yield first):
            powers = range(self._power(first), math.ceil(math.log(least, self.step)) - 1, -self._power(2))
            rising = []
            for broken, power in pairwise(powers):
                if (yield self._rate(power)):
                    rising = [self._rate(above) for above in range(power + 1, broken)]
                    break
        for rate in rising:
            if not (yield rate):
                return

    def _power(self, rate: float) -> int:
        return round(math.log(rate, self.step))

    def _rate(self, power: int) -> float:
        return float(f"{self.step**power:.4g}")


FEWEST_REQUESTS = 3
"""Of a stretch, on average; the search for a rate that holds goes no lower."""

RATES = Grid(step=1.1, lowest=0.25, highest=1.5)

QUICK_RATES = Grid(step=1.3, lowest=0.4, highest=1.3)
