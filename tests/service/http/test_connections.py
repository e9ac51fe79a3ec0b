"""Limits of a connection: heads that are large or slow, and requests that are sent before the answer to the last."""

import asyncio
import contextlib
import threading
import time

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from service.http import transport as wire
from tests.service.http.servers import connection, read_until_closed, served

GET = b"GET /%d HTTP/1.1\r\nHost: service\r\n\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers the path, ``/slow`` after a while."""
    if scope["type"] == "http":
        if scope["path"] == "/slow":
            await asyncio.sleep(0.6)
        body = scope["path"].encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEAD_SECONDS", 0.3)


def test_a_head_that_goes_on_is_refused() -> None:
    with served(echo) as port:
        with connection(port) as client:
            client.sendall(b"GET / HTTP/1.1\r\nX-Long: ")
            with contextlib.suppress(ConnectionError):
                for _ in range(200):
                    client.sendall(b"a" * 4096)
                    time.sleep(0.001)
            with contextlib.suppress(ConnectionError):
                assert read_until_closed(client).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
        assert httpx.get(f"http://127.0.0.1:{port}/next").text == "/next"


def test_a_head_of_a_proxy_with_much_to_say_is_read() -> None:
    with served(echo) as port:
        headers = {f"x-{number}": "a" * 1000 for number in range(40)}
        assert httpx.get(f"http://127.0.0.1:{port}/much", headers=headers).text == "/much"


@pytest.mark.parametrize("begins", [b"", b"\r\n", b"GET / HTTP/1.1\r\nHost: ser"])
@pytest.mark.usefixtures("hasty")
def test_a_client_that_does_not_finish_a_head_is_disconnected(begins: bytes) -> None:
    with served(echo) as port, connection(port) as client:
        client.sendall(GET % 1)
        assert client.recv(1000).endswith(b"/1")
        client.sendall(begins)
        began = time.monotonic()
        if begins:
            assert read_until_closed(client) == b""
            assert time.monotonic() - began < 5
    with served(echo) as port, connection(port) as client:
        client.sendall(begins)
        assert read_until_closed(client) == b""


@pytest.mark.usefixtures("hasty")
def test_an_answer_that_takes_longer_than_a_head_may_is_given() -> None:
    with served(echo) as port, connection(port) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: service\r\n\r\nGET /next")
        received = b""
        while not received.endswith(b"/slow"):
            part = client.recv(1000)
            assert part
            received += part


@pytest.mark.usefixtures("hasty")
def test_a_body_that_comes_after_its_answer_does_not_keep_the_connection() -> None:
    with served(echo) as port, connection(port) as client:
        client.sendall(b"POST /early HTTP/1.1\r\nHost: service\r\nContent-Length: 5\r\n\r\n")
        assert client.recv(1000).endswith(b"/early")
        client.sendall(b"whole")
        began = time.monotonic()
        assert read_until_closed(client) == b""
        assert time.monotonic() - began < 5


CHUNKED = b"POST /read HTTP/1.1\r\nHost: service\r\nTransfer-Encoding: chunked\r\n\r\n"


async def reads(scope: Scope, receive: Receive, send: Send) -> None:
    """``echo``, but it reads the body of /read first."""
    if scope["path"] == "/read":
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            pass
        if message["type"] == "http.disconnect":
            return
    await echo(scope, receive, send)


@pytest.mark.parametrize(
    ("before", "sent", "answers"),
    [
        ([], CHUNKED + b"no length\r\n", [b"400 Bad Request"]),
        ([], CHUNKED + b"1\r\na\r\n0\r\nX-Trailer\x01: a\r\n\r\n", [b"400 Bad Request"]),
        # Requests sent before the invalid bytes are still answered.
        ([b"/slow"], b"no request\r\n\r\n", [b"/slow"]),
        ([b"/slow", b"/2"], b"no request\r\n\r\n", [b"/slow", b"/2"]),
        ([b"/slow"], CHUNKED + b"no length\r\n", [b"/slow"]),
        ([b"/slow", b"/2"], CHUNKED + b"no length\r\n", [b"/slow", b"/2"]),
        # A target without a path makes a request invalid, too.
        ([], b"GET http://host HTTP/1.1\r\nHost: service\r\n\r\n", [b"400 Bad Request"]),
        ([b"/slow"], b"GET http://host HTTP/1.1\r\nHost: service\r\n\r\n", [b"/slow"]),
        ([b"/slow", b"/2"], b"GET http://host HTTP/1.1\r\nHost: service\r\n\r\n", [b"/slow", b"/2"]),
    ],
)
def test_invalid_bytes_end_the_connection(before: list[bytes], sent: bytes, answers: list[bytes]) -> None:
    with served(reads) as port, connection(port) as client:
        client.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: service\r\n\r\n" % path for path in before) + sent)
        received = read_until_closed(client)
    assert received.count(b"HTTP/1.1 ") == len(answers)
    place = 0
    for answer in answers:
        place = received.index(answer, place)


def test_many_invalid_bytes_cost_no_request_before_them() -> None:
    with served(reads) as port, connection(port) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: service\r\n\r\n" + GET % 2 + CHUNKED)
        time.sleep(0.2)
        client.sendall(b"no length\r\n" + b"a" * 100_000)
        received = read_until_closed(client)
    # If both answers are sent before the invalid bytes are read, 400 follows.
    assert received.partition(b"HTTP/1.1 400 ")[0].count(b"HTTP/1.1 200 OK") == 2
    assert 0 < received.index(b"\r\n\r\n/slow") < received.index(b"\r\n\r\n/2")


async def streams(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends parts of an answer until the client has gone."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"part", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.mark.usefixtures("hasty")
def test_trailers_after_an_answer_have_to_end_like_a_head() -> None:
    with served(echo) as port, connection(port) as client:
        client.sendall(CHUNKED.replace(b"/read", b"/early"))
        assert client.recv(1000).endswith(b"/early")
        client.sendall(b"1\r\na\r\n0\r\nX-Trailer: ")
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 5:
                client.sendall(b"a")
                time.sleep(0.05)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("how", ["at once", "after the answer has begun"])
def test_an_answer_in_parts_is_not_mixed_with_another(how: str) -> None:
    with served(streams) as port, connection(port) as client:
        client.sendall(CHUNKED)
        received = b""
        if how != "at once":
            received = client.recv(1000)
            assert received
        client.sendall(b"no length\r\n")
        client.sendall(b"no length\r\n")
        received += read_until_closed(client)
    assert received.count(b"HTTP/1.1 ") == 1
    assert (b"HTTP/1.1 400 " in received) <= (how == "at once")


def test_a_request_may_follow_a_body_that_came_after_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEAD_SECONDS", 1.0)
    with served(echo) as port, connection(port) as client:
        client.sendall(b"POST /early HTTP/1.1\r\nHost: service\r\nContent-Length: 5\r\n\r\n")
        assert client.recv(1000).endswith(b"/early")
        for byte in b"whole":
            time.sleep(0.3)
            client.sendall(bytes([byte]))
        for part in (b"GET /2 HTTP/1.1\r\n", b"Host: service\r\n\r\n"):
            time.sleep(0.05)
            client.sendall(part)
        assert client.recv(1000).endswith(b"/2")


@pytest.mark.parametrize(
    "endless", [b"0\r\n" + b"X-Trailer: a\r\n" * 100, b"1;" + b"a" * 1000], ids=["trailers", "chunk extensions"]
)
def test_endless_trailers_and_chunk_extensions_are_refused(endless: bytes) -> None:
    with served(reads) as port:
        with connection(port) as client:
            client.sendall(CHUNKED + endless)
            with contextlib.suppress(ConnectionError):
                for _ in range(200):
                    client.sendall(endless[3:] if endless.startswith(b"0") else b"a" * 1000)
                    time.sleep(0.001)
            with contextlib.suppress(ConnectionError):
                assert read_until_closed(client).startswith(b"HTTP/1.1 431 ")
        assert httpx.get(f"http://127.0.0.1:{port}/next").text == "/next"


def test_requests_are_answered_in_order() -> None:
    with served(echo) as port, connection(port) as client:
        client.sendall(b"".join(GET % number for number in range(wire.MOST_PIPELINED)))
        received = b""
        while not received.endswith(b"/%d" % (wire.MOST_PIPELINED - 1)):
            part = client.recv(65536)
            assert part
            received += part
    numbers = [int(part.partition(b"\r\n\r\n/")[2]) for part in received.split(b"HTTP/1.1 200 OK")[1:]]
    assert numbers == list(range(wire.MOST_PIPELINED))


def test_a_connection_with_too_many_requests_is_closed() -> None:
    with served(echo) as port:
        with connection(port) as client:
            with contextlib.suppress(ConnectionError):
                for _ in range(100):
                    client.sendall(b"".join(GET % number for number in range(1000)))
            with contextlib.suppress(ConnectionError):
                assert read_until_closed(client).count(b"HTTP/1.1 200 OK") < 1000
        assert httpx.get(f"http://127.0.0.1:{port}/next").text == "/next"


def test_a_client_that_leaves_ends_the_request_that_runs_and_not_only_the_last() -> None:
    left = threading.Event()
    begun: list[str] = []

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            begun.append(scope["path"])
            while (await receive())["type"] != "http.disconnect":
                pass
            left.set()

    with served(waits) as port:
        with connection(port) as client:
            client.sendall(GET % 1 + GET % 2)
            time.sleep(0.2)
        assert left.wait(5)
    assert begun == ["/1"]
