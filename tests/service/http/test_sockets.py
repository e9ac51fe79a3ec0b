"""What only a real connection shows: bodies that stream, stop or break off."""

import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterator

import httpx
import pytest

from service.artifacts.pool import VariantPool
from tests.fakes import FakeRuntimes
from tests.service.conftest import Service, Services
from tests.service.http.servers import connection, head, read_until_closed, served
from tests.service.http.shapes import assert_refused
from tests.waiting import eventually

LIMIT = 1024 * 1024
BODY = {"text": "Nairobi"}


@pytest.fixture
def limited(services: Services, pool: VariantPool, session_runtimes: FakeRuntimes) -> Service:
    return services.make(pool, session_runtimes, timeout_seconds=1.0)


@pytest.fixture
def port(limited: Service) -> Iterator[int]:
    with served(limited.front) as port:
        yield port


def gauge(port: int, name: str) -> str:
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    return next(line for line in lines if line.startswith(f"{name} "))


def in_flight(port: int) -> str:
    return gauge(port, "kidogo_in_flight")


def reading(port: int) -> str:
    return gauge(port, "kidogo_reading")


def is_served(port: int) -> bool:
    return httpx.post(f"http://127.0.0.1:{port}/ner", json=BODY).status_code == 200


def test_a_chunked_body_over_the_limit_is_refused_before_its_end(port: int) -> None:
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with connection(port) as client:
        client.sendall(head("Transfer-Encoding: chunked"))
        for _ in range(LIMIT // 65536):
            client.sendall(chunk)
        client.sendall(b"1\r\n \r\n")
        # The body goes on, for all that the server knows; it answers and closes nevertheless.
        answer = read_until_closed(client)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"too_large"' in answer
    assert is_served(port)


def test_a_chunked_body_within_the_limit_is_read(port: int) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"text": '
        yield b" " * (LIMIT - 100)
        yield b'"Nairobi"}'

    response = httpx.post(
        f"http://127.0.0.1:{port}/ner", content=pieces(), headers={"content-type": "application/json"}
    )
    assert response.status_code == 200


def test_a_declared_length_over_the_limit_is_refused_at_once(port: int) -> None:
    with connection(port) as client:
        client.sendall(head(f"Content-Length: {30_000_000}"))
        answer = read_until_closed(client)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert is_served(port)


def test_a_length_of_thousands_of_zeros_is_a_length(port: int) -> None:
    body = b'{"text": "Nairobi"}'
    with connection(port) as client:
        client.sendall(head(f"Content-Length: {len(body):05000}", "Connection: close") + body)
        answer = read_until_closed(client)
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_sends_30_megabytes_learns_why(port: int, chunked: bool) -> None:
    body = b'{"text": "' + b"m" * 30_000_000 + b'"}'
    response = httpx.post(
        f"http://127.0.0.1:{port}/ner",
        content=iter([body[start : start + 65536] for start in range(0, len(body), 65536)]) if chunked else body,
        headers={"content-type": "application/json"},
    )
    assert_refused(response, 413, "too_large")
    assert is_served(port)


def test_a_client_that_stops_in_the_middle_gets_504_while_others_are_served(port: int) -> None:
    with connection(port) as client:
        started = time.monotonic()
        client.sendall(head("Content-Length: 100") + b'{"text": "Nai')
        assert eventually(lambda: reading(port) == "kidogo_reading 1.0")
        assert in_flight(port) == "kidogo_in_flight 0.0"
        assert is_served(port)
        answer = read_until_closed(client)
        assert 0.9 < time.monotonic() - started < 5
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert b'"code":"timeout"' in answer
    assert reading(port) == "kidogo_reading 0.0"


def test_slow_bodies_take_no_places_in_flight_but_their_number_is_bounded(
    services: Services, pool: VariantPool, session_runtimes: FakeRuntimes
) -> None:
    service = services.make(pool, session_runtimes, max_in_flight=1, body_timeout_seconds=2.0)
    with served(service.front) as port, contextlib.ExitStack() as clients:
        slow = [clients.enter_context(connection(port)) for _ in range(4)]
        for number, client in enumerate(slow):
            assert number == 0 or is_served(port)
            client.sendall(head("Content-Length: 100") + b'{"text": "Nai')
        assert eventually(lambda: reading(port) == "kidogo_reading 4.0")
        response = httpx.post(f"http://127.0.0.1:{port}/ner", json=BODY)
        assert assert_refused(response, 429, "overloaded")["details"] == {"max_bodies": 4}
        assert all(read_until_closed(client).startswith(b"HTTP/1.1 504 ") for client in slow)
        assert is_served(port)


def test_a_client_that_drips_gets_504(port: int) -> None:
    with connection(port) as client:
        client.sendall(head("Content-Length: 1000"))
        client.settimeout(0.1)
        answer = b""
        for _ in range(50):
            try:
                answer = client.recv(65536)
                break
            except TimeoutError:
                client.sendall(b" ")
    assert answer.startswith(b"HTTP/1.1 504 ")


@pytest.mark.parametrize("abruptly", [False, True])
def test_a_client_that_leaves_in_the_middle_of_its_body_frees_its_place(port: int, abruptly: bool) -> None:
    with connection(port) as client:
        client.sendall(head("Content-Length: 100") + b'{"text": "Nai')
        assert eventually(lambda: reading(port) == "kidogo_reading 1.0")
        if abruptly:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert eventually(lambda: reading(port) == "kidogo_reading 0.0")
    assert is_served(port)


def test_a_client_that_leaves_before_its_answer_is_computed_for_no_more(
    services: Services, pool: VariantPool, session_runtimes: FakeRuntimes
) -> None:
    service = services.make(pool, session_runtimes, max_in_flight=1)
    content = json.dumps({"texts": ["leo " * 500] * 32}).encode()
    before = session_runtimes.calls
    with served(service.front) as port:
        with session_runtimes.blocked() as gate:
            with connection(port) as client:
                client.sendall(head(f"Content-Length: {len(content)}") + content)
                assert gate.reached.wait(10)
            # The place is free at once, though the step goes on.
            assert eventually(lambda: in_flight(port) == "kidogo_in_flight 0.0")
        assert is_served(port)
        # The step that was being taken when the client left, and the one of the request after it.
        assert session_runtimes.calls - before == 2
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert 'kidogo_requests_total{path="/ner",status="499",variant="dense"} 1.0' in metrics


def test_a_refused_request_leaves_the_connection_usable(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        refused = client.post("/ner", json={"text": 1})
        answered = client.post("/ner", json=BODY)
    assert_refused(refused, 422, "invalid_request")
    assert answered.status_code == 200
    assert refused.extensions["network_stream"] is answered.extensions["network_stream"]
