"""A short soak and overload."""

import subprocess
import sys

import pytest

from loadtests.report.record import SoakResult
from tests.loadtests.conftest import ENVIRONMENT, ROOT, Fake
from tests.loadtests.test_matrix import Load

SHORT = ["--capacity-seconds", "1", "--seconds", "1.5", "--overload-seconds", "1.5", "--bound", "2000"]


# In a process of its own: the soak brings locust, which changes how sockets work.
RECOVERY = """
from loadtests.runs.soak import Soak
from loadtests.load.traffic import Plan
from types import SimpleNamespace
import gevent, sys, time

answers = iter(eval(sys.argv[1]))
begun = time.monotonic()

def answer(*_):
    asked.append(time.monotonic() - begun)
    seconds = next(answers)
    gevent.sleep(seconds or 0)
    return seconds is not None

asked = []
soak = Soak.__new__(Soak)
soak.seed, soak._base = 1, Plan(["dense"], ["text"], {"dense": [[]]}, "1")
soak.service = SimpleNamespace(answers_correctly=answer)
recovery = soak._recovery(0.3, 100.0)
first = None if recovery is None else asked.index(min(asked, key=lambda when: abs(when - 0.3 - recovery)))
print(len(asked), asked[0] >= 0.3, first)
"""


# The seconds that each answer takes; None is a wrong one.
@pytest.mark.parametrize(
    ("answers", "asked", "first"),
    [
        ("[0.001] * 9 + [None] + [0.001] * 10", 20, 10),
        # The median of ten: six quick ones, among which a slow one changes nothing.
        ("[0.5] * 8 + [0.001] * 3 + [0.5] + [0.001] * 3", 15, 5),
        # The last ten that are tried begin before the five seconds are over.
        ("[0.5] * 30", 20, None),
    ],
    ids=["wrong", "slow once", "slow"],
)
def test_recovery_is_ten_answers_in_a_row_from_the_scheduled_end(answers: str, asked: int, first: int | None) -> None:
    command = [sys.executable, "-c", RECOVERY, answers]
    answer = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert answer.stdout.split() == [str(asked), "True", str(first)], answer.stderr


def test_a_soak_and_an_overload_are_told(fake: Fake, load: Load) -> None:
    outcome = load("soak", "--host", fake.url, "--variants", "dense,dynamic", "--share", "0.4", *SHORT)
    assert outcome.status == 0, outcome.said
    soak = SoakResult.model_validate(outcome.json("soak.json"))
    assert set(soak.outcomes) == {"ok"}
    assert set(soak.by_variant) == {"dense", "dynamic"}
    assert soak.memory_bytes_per_minute is not None
    overload = SoakResult.model_validate(outcome.json("overload.json"))
    assert overload.rate > 2.9 * overload.capacity
    assert set(overload.outcomes) <= {"ok", "status 429"}
    assert overload.recovery_seconds is not None
    assert 0 <= overload.recovery_seconds < 5.0
    assert "MB/min" in outcome.said
