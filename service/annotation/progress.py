"""Reports progress on standard error."""

import sys
import time
from typing import TextIO

TERMINAL_SECONDS, LOG_SECONDS = 0.2, 10.0
"""How often a line is drawn again on a terminal, and written elsewhere."""

NAMED = 20
"""Maximum number of problems to print per input; the others are counted."""


class Reporter:
    """Progress by bytes of the inputs, and problems as they are found. ``quiet`` leaves the progress out."""

    def __init__(self, total_bytes: int, quiet: bool = False, stream: TextIO | None = None):
        self._total = max(1, total_bytes)
        self._stream = stream or sys.stderr
        self._terminal, self._quiet = self._stream.isatty(), quiet
        self._started = self._last = time.monotonic()
        self._done = self._skipped = self._documents = 0
        self._problems: dict[str, int] = {}
        self._shown = ""

    def skip(self, size: int) -> None:
        """Input that an earlier run has annotated."""
        self._done += size
        self._skipped += size

    def advance(self, size: int) -> None:
        self._done += size
        self._documents += 1
        now = time.monotonic()
        if not self._quiet and now - self._last >= (TERMINAL_SECONDS if self._terminal else LOG_SECONDS):
            self._last = now
            self._show(now - self._started)

    def _show(self, elapsed: float) -> None:
        fresh = self._done - self._skipped
        left = elapsed * (self._total - self._done) / fresh if fresh > 0 else 0.0
        line = (
            f"{min(99, 100 * self._done // self._total)}%  {self._documents:,} documents,"
            f" {self._documents / elapsed:,.0f}/s, about {duration(left)} left"
        )
        if self._terminal:
            self._stream.write(f"\r{line.ljust(len(self._shown))}")
            self._stream.flush()
            self._shown = line
        else:
            print(line, file=self._stream, flush=True)

    def problem(self, output: str, place: str, problem: str) -> None:
        """A document or an input that was not annotated; ``output`` is what it belongs to."""
        count = self._problems[output] = self._problems.get(output, 0) + 1
        if count <= NAMED:
            self.say(f"{place}: {problem}")

    def say(self, line: str) -> None:
        if self._shown:
            self._stream.write(f"\r{' ' * len(self._shown)}\r")
            self._shown = ""
        print(printable(line), file=self._stream, flush=True)

    def end(self) -> None:
        for output, count in self._problems.items():
            if count > NAMED:
                self.say(f"{output}: {count - NAMED:,} more problems")


def printable(line: str) -> str:
    """A line for a terminal: names and texts may hold its control characters, or halves of surrogate pairs."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in line)


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
