"""The two clocks by which time is shared: one that tells who has had less than is due, one that counts each step's part
of the machine.
"""

import time


class Share:
    """Virtual time: what every member that waits or runs should have had by now, for each unit of its weight."""

    def __init__(self) -> None:
        self.time = 0.0
        self._weight = 0.0

    def join(self, weight: float) -> None:
        self._weight += weight

    def leave(self, weight: float) -> None:
        self._weight -= weight

    def pass_on(self, elapsed: float) -> None:
        """It moves with every step, the last one of a job too: otherwise newcomers of one step each would always be
        before a long job.
        """
        self.time += elapsed / self._weight


class Machine:
    """The machine's time: it passes while steps are under way, for each of them only its part."""

    def __init__(self) -> None:
        self.steps = 0
        self._seconds = 0.0
        self._changed = 0.0

    def begin(self) -> float:
        """A step begins; returns the machine's time."""
        return self._now(1)

    def end(self) -> float:
        """A step ends; returns the machine's time."""
        return self._now(-1)

    def _now(self, more: int) -> float:
        now = time.perf_counter()
        if self.steps:
            self._seconds += (now - self._changed) / self.steps
        self._changed = now
        self.steps += more
        return self._seconds
