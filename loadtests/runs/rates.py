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
        return [float(f"{self.step**power:.4g}") for power in range(first, last + 1)]


RATES = Grid(step=1.1, lowest=0.25, highest=1.5)

QUICK_RATES = Grid(step=1.3, lowest=0.4, highest=1.3)
