import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from service.admission.admission import BODIES_PER_REQUEST_IN_FLIGHT, Admission
from service.admission.backlog import Size
from service.errors import Draining, Overloaded, TookTooLong
from service.settings import Settings
from service.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio

SIZES = {"dense": Size(100, 100), "int8": Size(100, 100)}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def admit() -> Callable[..., Admission]:
    return lambda **settings: Admission(Settings(slots=1, **settings), Metrics())


def gauge(admission: Admission, name: str) -> float:
    value = admission.metrics.registry.get_sample_value(name)
    assert value is not None
    return value


async def test_a_request_is_reading_then_in_flight_then_gone(admit: Callable[..., Admission]) -> None:
    admission = admit()

    async def body() -> str:
        assert (admission.reading, admission.in_flight) == (1, 0)
        assert gauge(admission, "kidogo_reading") == 1
        return "a body"

    with admission.enter() as visit:
        assert await visit.read(body()) == "a body"
        assert (admission.reading, admission.in_flight) == (0, 0)
        visit.proceed(SIZES)
        assert gauge(admission, "kidogo_in_flight") == admission.in_flight == 1
    assert gauge(admission, "kidogo_in_flight") == admission.in_flight == 0


async def test_what_leaves_holds_nothing_whatever_happened(admit: Callable[..., Admission]) -> None:
    admission = admit()

    def fail() -> None:
        with admission.enter() as visit:
            visit.proceed(SIZES)
            visit.answered("dense", 10.0, 0.0)
            visit.done_with("dense")
            raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            fail()
    assert admission.in_flight == 0
    assert admission.backlog.estimate("dense", SIZES["dense"]) == 0


async def test_a_visit_may_last_until_its_answer(admit: Callable[..., Admission]) -> None:
    admission = admit()
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with admission.enter() as visit:
        visit.proceed(SIZES)
        visit.last_until(answer)
    assert admission.in_flight == 1
    answer.cancel()
    await asyncio.sleep(0)
    assert admission.in_flight == 0


async def test_full_refuses_at_the_door_and_after_the_body(admit: Callable[..., Admission]) -> None:
    admission = admit(max_in_flight=1)
    with admission.enter() as first, admission.enter() as second:
        first.proceed({})
        with pytest.raises(Overloaded, match="1 requests are in flight"):
            second.proceed({})
        with pytest.raises(Overloaded):
            admission.enter()
    assert admission.in_flight == 0


async def test_draining_refuses_at_the_door_and_after_the_body(admit: Callable[..., Admission]) -> None:
    admission = admit()
    with admission.enter() as visit:
        admission.draining = True
        with pytest.raises(Draining):
            visit.proceed({})
    with pytest.raises(Draining):
        admission.enter()


async def test_a_long_queue_refuses_and_adds_nothing_to_itself(admit: Callable[..., Admission]) -> None:
    admission = admit(max_wait_seconds=1.0)
    admission.backlog.learn("dense", SIZES["dense"], 5.0)
    with admission.enter() as first:
        first.proceed({"dense": Size(10_000, 10_000)})
        for _ in range(2):
            with admission.enter() as second, pytest.raises(Overloaded) as refused:
                second.proceed(SIZES)
            assert refused.value.details["max_wait_seconds"] == 1.0
        assert admission.in_flight == 1


async def test_bodies_are_bounded_in_number_and_time(admit: Callable[..., Admission]) -> None:
    admission = admit(max_in_flight=1, body_timeout_seconds=0.2)

    async def never() -> None:
        await asyncio.Event().wait()

    def read() -> Awaitable[Any]:
        return admission.enter().read(never())

    slow = [asyncio.ensure_future(read()) for _ in range(BODIES_PER_REQUEST_IN_FLIGHT)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="bodies are being read"):
        await read()
    for outcome in await asyncio.gather(*slow, return_exceptions=True):
        assert isinstance(outcome, TookTooLong)
    assert admission.reading == 0
