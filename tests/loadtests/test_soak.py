"""A short soak and overload."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.report.figures import Times
from loadtests.report.record import SoakResult
from tests.loadtests.conftest import ENVIRONMENT, IMPATIENT, ROOT, Fake, serving
from tests.loadtests.test_matrix import Load

SHORT = ["--capacity-seconds", "1", "--seconds", "1.5", "--overload-seconds", "1.5", "--bound", "2000"]


# Run in a separate process, because importing locust patches sockets.
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


def test_a_soak_and_an_overload_are_told(tokenizer: Path, load: Load) -> None:
    # A slow server, so that a busy machine can send three times what it takes.
    with serving(tokenizer, "slow") as fake:
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
    assert overload.sent_rate >= 1.5 * overload.capacity
    assert re.search(
        rf"sent: {overload.sent_rate:.1f} of {overload.due_rate:.1f} requests/s due, [0-9.]+ ms", outcome.said
    )
    assert "MB/min" in outcome.said


# Two thirds of the capacity that is given, at most: each response keeps the whole process busy for 5 ms.
SLOW_GENERATOR = """
import json, sys
from pathlib import Path
from loadtests.__main__ import describe
from loadtests.load import traffic
from loadtests.load.service import Service
from loadtests.runs.soak import Soak
from gevent.monkey import get_original

sleep, judge = get_original("time", "sleep"), traffic.judge

def slow(*arguments):
    sleep(0.005)
    return judge(*arguments)

traffic.judge = slow
soak = Soak(Service(sys.argv[1]), ["dense"], Path(sys.argv[2]), 1)
result = soak.overload(2.0, 3.0, 300.0, 2000.0)
last = max(sample.started for sample in soak.samples if sample.outcome != "not sent")
print(json.dumps([result.model_dump(), describe(result), last]))
"""


def test_a_generator_that_is_too_slow_for_an_overload_is_blamed_itself(fake: Fake, texts: Path) -> None:
    command = [sys.executable, "-c", SLOW_GENERATOR, fake.url, str(texts)]
    answer = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    content, said, last = json.loads(answer.stdout)
    result = SoakResult.model_validate(content)
    (failure,) = result.failures
    assert failure.startswith("the generator was too slow to overload the server: ")
    assert f"{result.sent_rate:.1f} of {result.due_rate:.1f} requests/s were sent" in failure
    assert result.sent_rate < 450 < result.due_rate
    assert sum(result.outcomes.values()) == result.requests
    assert "not sent" not in result.outcomes
    assert result.late_p99_ms is not None
    assert result.late_p99_ms > 100
    # Nothing is sent while the server recovers.
    assert last < 2.5
    assert "not all requests that were due were sent" in said


def result(sent_rate: float, waiting: float) -> SoakResult:
    """An overload of three times 100 requests/s."""
    return SoakResult(
        kind="overload",
        seconds=10.0,
        variants=["dense"],
        capacity=100.0,
        rate=300.0,
        due_rate=297.0,
        sent_rate=sent_rate,
        late_p99_ms=5.0,
        waiting_share=waiting,
        requests=2970,
        outcomes={"ok": 2970},
        times=Times.of([]),
        by_variant={},
    )


def test_only_a_load_that_was_sent_is_an_overload() -> None:
    assert result(297, 0.1).shortfall is None
    # Less than planned, yet an overload.
    assert result(160, 0.5).shortfall is None
    assert "generator was too slow" in str(result(140, 0.5).shortfall)
    assert "nearly all users of the generator were waiting for answers" in str(result(140, 0.97).shortfall)
    # An overload that was planned below 1.5 times the capacity is not blamed for being small.
    assert result(100, 0.0).model_copy(update={"rate": 110.0, "due_rate": 108.0}).shortfall is None


# The server hangs: the generator's users wait for it.
HANGING = f"""{IMPATIENT}
import sys
from pathlib import Path
from loadtests.load.service import Service
from loadtests.runs.soak import Soak

soak = Soak(Service(sys.argv[1]), ["dense"], Path(sys.argv[2]), 1)
print([result.failures for result in soak.results(1.0, 0.8, 1.0, 3.0, 2000.0, 400.0)])
"""


def test_a_server_that_hangs_is_not_overloaded(tokenizer: Path, texts: Path) -> None:
    with serving(tokenizer, "hang:60") as fake:
        command = [sys.executable, "-c", HANGING, fake.url, str(texts)]
        answer = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    (failures,) = ast.literal_eval(answer.stdout)
    assert failures[0] == "the server stopped responding"
    assert not any("generator" in failure for failure in failures)
