from contextlib import ExitStack

import pytest

from service.backlog import START_CHARACTERS, Backlog, size_of
from service.schemas import NerRequest


def learnt() -> Backlog:
    """``fast`` takes a millisecond for each character, ``slow`` ten."""
    backlog = Backlog()
    backlog.learn("fast", 100, 0.1)
    backlog.learn("slow", 100, 1.0)
    return backlog


def test_nothing_in_flight_is_no_wait() -> None:
    assert learnt().wait("fast", 100) == 0
    assert learnt().seconds("slow", 200) == pytest.approx(2)


def test_what_is_not_known_yet_is_no_reason_to_refuse() -> None:
    backlog = Backlog()
    with backlog.holding("fast", 1000):
        assert backlog.wait("fast", 100) == 0


def test_requests_of_the_same_variant_are_waited_for() -> None:
    backlog = learnt()
    with ExitStack() as flying:
        for _ in range(5):
            flying.enter_context(backlog.holding("fast", 100))
        assert backlog.wait("fast", 100) == pytest.approx(0.5)
    assert backlog.wait("fast", 100) == 0


def test_a_long_document_delays_a_short_one_by_the_short_one_s_own_time() -> None:
    backlog = learnt()
    with backlog.holding("fast", 100_000):
        assert backlog.wait("fast", 100) == pytest.approx(0.1)


def test_a_slow_variant_delays_a_fast_one_by_its_share() -> None:
    backlog = learnt()
    with ExitStack() as flying:
        for _ in range(16):
            flying.enter_context(backlog.holding("slow", 100))
        # Half of the time until it is done is the other's.
        assert backlog.wait("fast", 100) == pytest.approx(0.1)
        assert backlog.wait("slow", 100) == pytest.approx(16)


def test_the_average_follows_what_happens() -> None:
    backlog = learnt()
    for _ in range(60):
        backlog.learn("fast", 100, 0.2)
    assert backlog.seconds("fast", 100) == pytest.approx(0.2, rel=0.01)


def test_the_size_of_a_request() -> None:
    assert size_of(NerRequest(text="Nairobi")) == START_CHARACTERS + 7
    assert size_of(NerRequest(texts=["a", "bc"])) == 2 * START_CHARACTERS + 3
    assert size_of(NerRequest(tokens=[["ab", "c"]])) == START_CHARACTERS + 5
