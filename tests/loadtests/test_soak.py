"""A short soak and overload."""

import subprocess
import sys

from loadtests.report.record import SoakResult
from tests.loadtests.conftest import ENVIRONMENT, ROOT, Fake
from tests.loadtests.test_matrix import Load

SHORT = ["--capacity-seconds", "1", "--seconds", "1.5", "--overload-seconds", "1.5", "--bound", "2000"]


# In a process of its own: the soak brings locust, which changes how sockets work.
RECOVERY = """
from loadtests.runs.soak import Soak
from loadtests.load.traffic import Plan
from types import SimpleNamespace
import gevent, time

answers = iter([True] * 9 + [False] + [True] * 10)
begun = time.monotonic()

def answer(*_):
    asked.append(time.monotonic() - begun)
    return next(answers)

asked = []
soak = Soak.__new__(Soak)
soak.seed, soak._base = 1, Plan(["dense"], ["text"], {"dense": [[]]}, "1")
soak.service = SimpleNamespace(answers_correctly=answer)
recovery = soak._recovery(0.3, 1000.0)
print(len(asked), asked[0] >= 0.3, abs(recovery - (asked[10] - 0.3)) < 0.05)
"""


def test_recovery_is_ten_answers_in_a_row_from_the_scheduled_end() -> None:
    answer = subprocess.run([sys.executable, "-c", RECOVERY], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert answer.stdout.split() == ["20", "True", "True"], answer.stderr


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
