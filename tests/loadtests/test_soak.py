"""A short soak and overload."""

from loadtests.record import SoakResult
from tests.loadtests.conftest import Fake
from tests.loadtests.test_matrix import Load

SHORT = ["--capacity-seconds", "1", "--seconds", "1.5", "--overload-seconds", "1.5", "--bound", "2000"]


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
    assert "MB a minute" in outcome.said
