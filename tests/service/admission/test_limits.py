"""Work in flight, time limits, shutdown and faults: the rows 429, 503 draining, 504 and 500 of the contract."""

import asyncio
import logging
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from service.admission.drain import drain_on
from service.artifacts.pool import VariantPool
from service.inference.engine import Engine
from tests.fakes import FakeRuntimes, Gate
from tests.service.conftest import Service, Services
from tests.service.http.shapes import assert_refused
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

BODY = {"text": "Nairobi"}


async def reached(gate: Gate) -> None:
    """Wait until an inference stands at the gate."""
    assert await asyncio.to_thread(gate.reached.wait, 10)


@asynccontextmanager
async def request_in_flight(service: Service) -> AsyncIterator[tuple[Gate, asyncio.Task[httpx.Response]]]:
    """A request held in the middle of its inference."""
    with service.runtimes.blocked() as gate:
        task = asyncio.create_task(service.ner(BODY))
        await reached(gate)
        yield gate, task


async def test_429_and_everything_works_after(
    services: Services, pool: VariantPool, session_runtimes: FakeRuntimes
) -> None:
    service = services.make(pool, session_runtimes, max_in_flight=2)
    async with request_in_flight(service) as (gate, first):
        second = asyncio.create_task(service.ner(BODY, "int8"))
        async with asyncio.timeout(10):
            while "kidogo_in_flight 2.0" not in (await service.get("/metrics")).text:
                await asyncio.sleep(0.01)
        for variant in ("dense", "dynamic"):
            response = await service.ner(BODY, variant)
            assert assert_refused(response, 429, "overloaded")["details"] == {"max_in_flight": 2}
            assert int(response.headers["retry-after"]) >= 1
        assert (await service.get("/livez")).status_code == 200
        assert (await service.get("/readyz")).status_code == 200
        gate.open()
        assert [(await first).status_code, (await second).status_code] == [200, 200]
    assert (await service.ner(BODY)).status_code == 200
    assert "kidogo_in_flight 0.0" in (await service.get("/metrics")).text


async def test_refused_requests_leave_their_places(
    services: Services, pool: VariantPool, session_runtimes: FakeRuntimes
) -> None:
    service = services.make(pool, session_runtimes, max_in_flight=1)
    for body in ({}, {"texts": ["a"] * 33}, {"text": 1}):
        assert (await service.ner(body)).status_code in (413, 422)
    assert (await service.ner(BODY, "nothing")).status_code == 404
    with session_runtimes.failing(RuntimeError("broken")):
        assert (await service.ner(BODY)).status_code == 500
    assert (await service.ner(BODY)).status_code == 200


async def test_504_and_the_next_request_works(
    services: Services, pool: VariantPool, session_runtimes: FakeRuntimes
) -> None:
    service = services.make(pool, session_runtimes, timeout_seconds=0.5, max_in_flight=1)
    async with request_in_flight(service) as (gate, task):
        error = assert_refused(await task, 504, "timeout")
        assert error["details"] == {"timeout_seconds": 0.5}
        gate.open()
    assert (await service.ner(BODY)).status_code == 200


async def test_504_stops_the_work(services: Services, pool: VariantPool, session_runtimes: FakeRuntimes) -> None:
    service = services.make(pool, session_runtimes, timeout_seconds=0.5)
    before = session_runtimes.calls
    with session_runtimes.blocked() as gate:
        assert_refused(await service.ner({"texts": ["leo"] * 32}), 504, "timeout")
        gate.open()
    assert (await service.ner(BODY)).status_code == 200
    await asyncio.sleep(0.2)
    # The step of the first request that was being taken when its time was up, and the one of the second.
    assert session_runtimes.calls - before == 2


@pytest.fixture
def draining_signal(service: Service) -> Iterator[signal.Signals]:
    """A signal that drains the service as SIGTERM does where it is served."""
    number = signal.SIGUSR1
    previous = signal.signal(number, signal.SIG_IGN)
    drain_on(number, service.engine.admission)
    yield number
    signal.signal(number, previous)


async def test_503_draining_while_the_request_in_flight_finishes(
    service: Service, draining_signal: signal.Signals
) -> None:
    async with request_in_flight(service) as (gate, task):
        signal.raise_signal(draining_signal)
        response = await service.ner(BODY)
        assert_refused(response, 503, "draining")
        assert int(response.headers["retry-after"]) >= 1
        not_ready = await service.get("/readyz")
        assert_refused(not_ready, 503, "variant_not_ready")
        assert not_ready.headers["retry-after"]
        assert (await service.get("/livez")).status_code == 200
        gate.open()
        assert (await task).status_code == 200


async def test_the_signal_goes_on_once_nothing_is_in_flight(service: Service) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    original = signal.signal(signal.SIGUSR1, lambda number, frame: loop.call_soon_threadsafe(stopped.set))
    try:
        drain_on(signal.SIGUSR1, service.engine.admission)
        async with request_in_flight(service) as (gate, task):
            signal.raise_signal(signal.SIGUSR1)
            await asyncio.sleep(0.1)
            assert not stopped.is_set()
            gate.open()
            assert (await task).status_code == 200
        await asyncio.wait_for(stopped.wait(), 5)
    finally:
        signal.signal(signal.SIGUSR1, original)


DEFAULT_SIGNAL = """
import os, signal, sys, threading, time
from pathlib import Path
from service.admission.drain import drain_on
from service.inference.engine import Engine
from service.artifacts.pool import VariantPool
from service.settings import Settings

number = signal.Signals[sys.argv[1]]
signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
engine = Engine(Settings(), VariantPool(Path("nowhere"), 1))
drain_on(number, engine.admission)
with engine.admission.enter() as visit:
    visit.proceed({})
    signal.raise_signal(number)
    time.sleep(0.1)
    print("finished", flush=True)
time.sleep(20)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_without_a_handler_does_what_it_does_by_default_once_nothing_is_in_flight(
    number: signal.Signals,
) -> None:
    command = [sys.executable, "-c", DEFAULT_SIGNAL, number.name]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.stdout == "finished\n"
    assert ended.returncode == -number
    assert ("KeyboardInterrupt" in ended.stderr) == (number == signal.SIGINT)


@pytest.mark.parametrize(("number", "at_once"), [(signal.SIGTERM, 0), (signal.SIGINT, 1)])
async def test_only_a_second_ctrl_c_goes_on_at_once(service: Service, number: signal.Signals, at_once: int) -> None:
    went_on: list[int] = []
    original = signal.signal(number, lambda number, frame: went_on.append(number))
    try:
        drain_on(number, service.engine.admission)
        async with request_in_flight(service) as (gate, task):
            signal.raise_signal(number)
            assert went_on == []
            signal.raise_signal(number)
            assert len(went_on) == at_once
            gate.open()
            assert (await task).status_code == 200
        assert await asyncio.to_thread(eventually, lambda: len(went_on) == 2)
    finally:
        signal.signal(number, original)


SECRET = "secret of /home/someone/model.onnx"


@pytest.mark.parametrize("given", [None, "my-request_1.2"])
async def test_500_has_an_id_that_is_in_the_log(
    service: Service, caplog: pytest.LogCaptureFixture, given: str | None
) -> None:
    headers = {"X-Request-Id": given} if given else {}
    with service.runtimes.failing(RuntimeError(SECRET)):
        response = await service.request("POST", "/ner", json=BODY, headers=headers)
    error = assert_refused(response, 500, "internal")
    assert "secret" not in response.text
    request_id = error["details"]["request_id"]
    assert request_id == response.headers["x-request-id"]
    assert given is None or request_id == given
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert request_id in record.getMessage()
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == SECRET


async def test_500_outside_the_model(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(engine: Engine) -> bool:
        raise KeyError(SECRET)

    monkeypatch.setattr(Engine, "ready", property(broken))
    error = assert_refused(await service.get("/readyz"), 500, "internal")
    assert error["details"]["request_id"] in caplog.text


@pytest.mark.parametrize("given", ["a", "A-Z_0.9", "x" * 64])
async def test_a_plain_request_id_is_kept(service: Service, given: str) -> None:
    for path in ("/livez", "/nothing", "/variants"):
        response = await service.get(path, headers={"X-Request-Id": given})
        assert response.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "é".encode(), "<script>", "a/b"])
async def test_another_request_id_is_replaced(service: Service, given: str) -> None:
    answers = [await service.get("/livez", headers={"X-Request-Id": given}) for _ in range(2)]
    identifiers = {answer.headers["x-request-id"] for answer in answers}
    assert len(identifiers) == 2
    assert all(identifier.isalnum() and len(identifier) == 32 for identifier in identifiers)
