"""Raw samples, one per request."""

import csv
import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from loadtests.errors import LoadTestError

OK = "ok"
WRONG = "wrong answer"
NO_ANSWER = "no answer"
UNSENT = "not sent"
REFUSED = "status 429"


class Sample(NamedTuple):
    """One request. Times are seconds since the end of the warm-up, negative during it.

    ``intended`` is when the request was due, ``started`` when it was sent; they differ if the generator or the server
    falls behind. ``outcome`` is ``ok``, ``wrong answer``, ``no answer``, ``not sent`` or, for example, ``status 429``.
    ``queue_ms`` and ``inference_ms`` are reported by the server, or NaN.
    """

    variant: str
    document: int
    intended: float
    started: float
    ended: float
    outcome: str
    queue_ms: float
    inference_ms: float


def check_writable(path: Path) -> None:
    """Raise ``LoadTestError`` if samples cannot be written to ``path``, before they have been measured."""
    try:
        with path.open("ab"):
            pass
    except OSError as error:
        raise LoadTestError(f"{path} cannot be written: {error.strerror}. Pass another file with --samples.") from error


def write_samples(path: Path, cells: Iterable[tuple[Mapping[str, object], Iterable[Sample]]]) -> None:
    """Write the samples of several cells as compressed CSV, preceded by the columns of their cell."""
    with gzip.open(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        header = False
        for cell, samples in cells:
            if not header:
                writer.writerow([*cell, *Sample._fields])
                header = True
            writer.writerows([*cell.values(), *sample] for sample in samples)
