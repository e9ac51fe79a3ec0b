import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from service.admission.backlog import (
    FEWEST,
    FRESH_SECONDS,
    KEPT,
    LEAST_FACTOR,
    MOST_FACTOR,
    PIECE_CHARACTERS,
    START_CHARACTERS,
    USUAL_FACTOR,
    Backlog,
    Size,
    size_of,
)
from service.schemas.ner import NerRequest

MAX_WAIT = 2.0


def short(characters: int) -> Size:
    """Of a request that is read in one step."""
    return Size(characters, characters)


@contextmanager
def holding(backlog: Backlog, variant: str, size: Size) -> Iterator[None]:
    backlog.add(variant, size)
    yield
    backlog.remove(variant, size)


def learnt(slots: int = 1, now: Callable[[], float] = lambda: 0.0) -> Backlog:
    """``fast`` takes a millisecond for each character, ``slow`` ten."""
    backlog = Backlog(slots, MAX_WAIT, now)
    backlog.learn("fast", short(100), 0.1)
    backlog.learn("slow", short(100), 1.0)
    return backlog


def test_nothing_in_flight_is_no_wait() -> None:
    assert learnt().estimate("fast", short(100)) == 0
    assert learnt().seconds("slow", short(200)) == pytest.approx(2)


def test_what_is_not_known_yet_is_no_reason_to_refuse() -> None:
    backlog = Backlog(1, MAX_WAIT)
    with holding(backlog, "fast", short(1000)):
        assert backlog.estimate("fast", short(100)) == 0


def test_requests_of_the_same_variant_are_waited_for() -> None:
    backlog = learnt()
    with ExitStack() as flying:
        for _ in range(5):
            flying.enter_context(holding(backlog, "fast", short(100)))
        assert backlog.estimate("fast", short(100)) == pytest.approx(0.4)
    assert backlog.estimate("fast", short(100)) == 0


def test_a_long_document_delays_a_short_one_by_the_short_one_s_own_time() -> None:
    backlog = learnt()
    with holding(backlog, "fast", Size(100_000, 100)):
        assert backlog.estimate("fast", short(100)) == pytest.approx(0)
        assert backlog.estimate("slow", short(100)) == pytest.approx(0)


def test_a_step_is_waited_for_to_its_end() -> None:
    backlog = learnt()
    with holding(backlog, "fast", Size(100_000, 1500)):
        assert backlog.estimate("fast", short(100)) == pytest.approx(1.4)


def test_a_slow_variant_delays_a_fast_one_by_its_share() -> None:
    backlog = learnt()
    with ExitStack() as flying:
        for _ in range(16):
            flying.enter_context(holding(backlog, "slow", short(100)))
        # Half of the time until it is done is the other's: as much as it takes itself, and none beyond that.
        assert backlog.estimate("fast", short(100)) == pytest.approx(0)
        assert backlog.estimate("slow", short(100)) == pytest.approx(15)


def test_the_average_follows_what_happens() -> None:
    backlog = learnt()
    for _ in range(60):
        backlog.learn("fast", short(100), 0.2)
    assert backlog.seconds("fast", short(100)) == pytest.approx(0.2, rel=0.01)


def test_who_finds_a_free_slot_waits_for_nobody() -> None:
    """However little is known of what requests take side by side."""
    backlog = learnt(slots=16)
    with ExitStack() as flying:
        for _ in range(15):
            flying.enter_context(holding(backlog, "slow", Size(100_000, 1500)))
        assert backlog.estimate("slow", short(100)) == 0
        assert backlog.estimate("fast", short(100)) == 0


def test_slots_share_the_wait() -> None:
    backlog = learnt(slots=2)
    with ExitStack() as flying:
        for _ in range(6):
            flying.enter_context(holding(backlog, "fast", short(100)))
        assert backlog.estimate("fast", short(100)) == pytest.approx(0.3 - 0.1)


def test_what_is_told_is_what_nearly_all_stay_under() -> None:
    """Waits that are spread around twice their estimates: about one in two hundred is longer than was told."""
    backlog = learnt()
    chance = random.Random(1)
    longer = 0
    for number in range(10_000):
        estimate = chance.uniform(0.5, 1.0)
        waited = estimate * chance.lognormvariate(0.7, 0.2)
        if number >= FEWEST:
            longer += waited > backlog.wait("fast", estimate)
        backlog.learn_wait("fast", estimate, waited)
    assert 0.0002 < longer / 10_000 < 0.01
    # Each variant by itself.
    assert backlog.wait("slow", 1.0) == USUAL_FACTOR


def test_a_bad_spell_is_forgotten() -> None:
    now = 0.0
    backlog = learnt(now=lambda: now)
    for _ in range(100):
        backlog.learn_wait("fast", 1.0, 20.0)
    assert backlog.wait("fast", 1.0) == MOST_FACTOR
    # As others come that wait less,
    for _ in range(KEPT):
        backlog.learn_wait("fast", 1.0, 0.2)
    assert backlog.wait("fast", 1.0) == LEAST_FACTOR
    # or none at all that would come near the limit.
    for _ in range(100):
        backlog.learn_wait("fast", 1.0, 20.0)
    now = FRESH_SECONDS
    assert backlog.wait("fast", 1.0) == USUAL_FACTOR
    backlog.learn_wait("fast", 1.0, 0.2)
    assert backlog.wait("fast", 1.0) == USUAL_FACTOR, "one says little yet"


def test_short_waits_say_nothing_of_long_ones() -> None:
    backlog = learnt()
    for _ in range(1000):
        backlog.learn_wait("fast", 0.01, 0.3)
    assert backlog.wait("fast", 1.0) == USUAL_FACTOR


def test_the_size_of_a_request() -> None:
    assert size_of(NerRequest(text="Nairobi"), 512) == short(START_CHARACTERS + 7)
    assert size_of(NerRequest(texts=["a", "bc"]), 512) == (2 * START_CHARACTERS + 3, START_CHARACTERS + 2)
    assert size_of(NerRequest(tokens=[["ab", "c"]]), 512) == short(START_CHARACTERS + 5)
    assert size_of(NerRequest(text="a" * 5000), 100) == (
        START_CHARACTERS + 5000,
        START_CHARACTERS + 100 * PIECE_CHARACTERS,
    )
