"""The rates that the open loop tries."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Grid:
    """Rates of the open loop: powers of ``step``, the same in every run, so that runs and repetitions compare.

    Those are tried that lie between ``lowest`` and ``highest`` times what the closed loops of the same repetition
    reached.
    """

    step: float
    lowest: float
    highest: float

    def around(self, capacity: float) -> list[float]:
        """Requests a second, rising, rounded to four digits."""
        first = math.ceil(math.log(self.lowest * capacity, self.step))
        last = math.ceil(math.log(self.highest * capacity, self.step))
        return [float(f"{self.step**power:.4g}") for power in range(first, last + 1)]


RATES = Grid(step=1.1, lowest=0.25, highest=1.5)

QUICK_RATES = Grid(step=1.3, lowest=0.4, highest=1.3)
