"""An answer leaves in one piece, and a stream's events as they come."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import pytest
import uvicorn.config
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.errors import InternalError
from service.http import transport as wire
from tests.service.conftest import Service
from tests.service.http.servers import connection, read_until_closed, served
from tests.service.http.shapes import assert_refused


class Recorder:
    """A transport that remembers each of its writes."""

    def __init__(self, transport: asyncio.Transport, writes: list[bytes]):
        self._transport, self._writes = transport, writes

    def write(self, data: bytes) -> None:
        self._writes.append(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    writes: list[bytes] = []
    joining = wire.OneWriteATurn
    monkeypatch.setattr(wire, "OneWriteATurn", lambda transport: joining(Recorder(transport, writes)))  # type: ignore[arg-type]
    return writes


@pytest.fixture
def client(service: Service, writes: list[bytes]) -> Iterator[httpx.Client]:
    with (
        served(service.front) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        yield client


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(b"a" * 30_000_000)(scope, receive, send)


def test_a_client_that_reads_nothing_does_not_keep_a_server_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LINGER_SECONDS", 0.3)
    with ExitStack() as stack:
        with served(large) as port:
            client = stack.enter_context(connection(port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: service\r\n\r\n")
            assert client.recv(1)
            began = time.monotonic()
        # uvicorn itself gives up after five seconds in these tests, and never where nothing is set.
        assert time.monotonic() - began < 4
        with suppress(ConnectionResetError):
            assert len(read_until_closed(client)) < 30_000_000


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/ner"), ("GET", "/variants"), ("GET", "/"), ("HEAD", "/"), ("GET", "/nothing"), ("GET", "/livez")],
)
def test_an_answer_is_one_write(client: httpx.Client, writes: list[bytes], method: str, path: str) -> None:
    for number in range(1, 4):
        response = client.request(method, path, json={"text": "Nairobi"} if method == "POST" else None)
        assert len(writes) == number
        assert writes[-1].startswith(b"HTTP/1.1 ")
        assert writes[-1].endswith(b"\r\n\r\n" + response.content)


def test_the_head_of_a_stream_comes_with_its_first_event(client: httpx.Client, writes: list[bytes]) -> None:
    response = client.post("/compare", json={"text": "Nairobi"}, headers={"Accept": "text/event-stream"})
    assert response.status_code == 200
    assert writes[0].startswith(b"HTTP/1.1 200 ")
    assert b"event: answer" in writes[0]


async def with_pauses(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(5):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": number < 4})
            await asyncio.sleep(0.01)


def test_what_comes_later_waits_for_nothing(writes: list[bytes]) -> None:
    with served(with_pauses) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/").text == "01234"
    assert len(writes) == 5
    for number, write in enumerate(writes):
        assert b"\r\n%d\r\n" % number in write


def test_what_is_written_before_the_server_closes_arrives(client: httpx.Client) -> None:
    with connection(client.base_url.port or 0) as raw:
        raw.sendall(b"this is no HTTP\r\n\r\n")
        assert read_until_closed(raw).startswith(b"HTTP/1.1 400 ")
    response = client.get("/livez", headers={"Connection": "close"})
    assert response.json() == {"status": "live"}


async def in_many_parts(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(1000):
            await send({"type": "http.response.body", "body": b"%04d" % number * 256, "more_body": number < 999})


def test_a_large_answer_in_many_parts_is_not_collected_whole(writes: list[bytes]) -> None:
    with served(in_many_parts) as port:
        response = httpx.get(f"http://127.0.0.1:{port}/")
    assert response.content == b"".join(b"%04d" % number * 256 for number in range(1000))
    assert max(map(len, writes)) < 70_000


class Broken(Response):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("secret")


@pytest.mark.anyio
async def test_an_answer_that_fails_between_head_and_body_is_a_fault_in_the_usual_shape(service: Service) -> None:
    service.front.api.add_api_route("/broken", lambda: Broken(), include_in_schema=False)
    response = await service.get("/broken", headers={"X-Request-Id": "given"})
    assert assert_refused(response, 500, InternalError.code)["details"] == {"request_id": "given"}
    assert 'path="/broken",status="500"' in (await service.get("/metrics")).text


def test_bentoml_s_server_hands_requests_straight_to_the_service(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What BentoML puts around an application is not asked, and no timer of its time limit is left."""

    async def layers(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("asked")

    monkeypatch.setitem(uvicorn.config.HTTP_PROTOCOLS, "auto", None)
    wire.serve(service.front, lambda: True)
    # As BentoML leaves it.
    with served(layers, http="auto") as port:
        assert httpx.get(f"http://127.0.0.1:{port}/variants").status_code == 200
        handshake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x" * 22 + "=="}
        for headers in ({}, handshake):
            response = httpx.get(f"http://127.0.0.1:{port}/nothing", headers=headers)
            assert_refused(response, 404, "not_found")


def test_who_only_imports_the_service_serves_something_else(monkeypatch: pytest.MonkeyPatch, service: Service) -> None:
    monkeypatch.setitem(uvicorn.config.HTTP_PROTOCOLS, "auto", None)
    wire.serve(service.front, lambda: False)
    with served(Response("other"), http="auto") as port:
        assert httpx.get(f"http://127.0.0.1:{port}/variants").text == "other"
