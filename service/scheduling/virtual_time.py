"""The clocks of fair scheduling: virtual time of flows and jobs, and the machine time of concurrent steps."""

import time


class Share:
    """Virtual time: the service per unit of weight that every active member should have received by now."""

    def __init__(self) -> None:
        self.time = 0.0
        self._weight = 0.0

    def join(self, weight: float) -> None:
        self._weight += weight

    def leave(self, weight: float) -> None:
        self._weight -= weight

    def pass_on(self, elapsed: float) -> None:
        """Advance after every step, including the last of a job: otherwise new short jobs would starve a long one."""
        self.time += elapsed / self._weight


class Machine:
    """Machine time: it passes while steps run, and concurrent steps share it equally."""

    def __init__(self) -> None:
        self.steps = 0
        self._seconds = 0.0
        self._changed = 0.0

    def begin(self) -> float:
        """Start a step; returns the machine time."""
        return self._now(1)

    def end(self) -> float:
        """End a step; returns the machine time."""
        return self._now(-1)

    def _now(self, more: int) -> float:
        now = time.perf_counter()
        if self.steps:
            self._seconds += (now - self._changed) / self.steps
        self._changed = now
        self.steps += more
        return self._seconds
