"""Raw samples, one for each request: nothing is rounded into buckets before it is kept."""

import csv
import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

OK = "ok"
WRONG = "wrong answer"
NO_ANSWER = "no answer"
UNSENT = "not sent"
REFUSED = "status 429"


class Sample(NamedTuple):
    """One request. Times are seconds from the end of the warm-up, so those of the warm-up are negative.

    ``intended`` is when the request was due, ``started`` when it was sent: a generator or a server that falls behind
    makes them differ. ``outcome`` is ``ok``, ``wrong answer``, ``no answer``, ``not sent`` or ``status 429`` and the
    like. The server's own times are milliseconds, NaN where it gave none.
    """

    variant: str
    document: int
    intended: float
    started: float
    ended: float
    outcome: str
    queue_ms: float
    inference_ms: float


def write_samples(path: Path, cells: Iterable[tuple[Mapping[str, object], Iterable[Sample]]]) -> None:
    """Write the samples of several cells as compressed CSV; the cell's columns stand before the sample's."""
    with gzip.open(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        header = False
        for cell, samples in cells:
            if not header:
                writer.writerow([*cell, *Sample._fields])
                header = True
            writer.writerows([*cell.values(), *sample] for sample in samples)
