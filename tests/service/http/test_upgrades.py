"""Requests that offer to upgrade the connection, as curl and Java's client send them, and bodies that do not come."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.conftest import Service, Services
from tests.service.http.servers import connection, read_until_closed, served

JAVA_CLIENT = Path(__file__).parent / "OffersHttp2.java"

H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
WEBSOCKET = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)

TEST_SPLIT = "Kano B-LOC\nta O\n\nBuhari B-PER\nya O\n\n"
OWN = "Rais O\nWilliam B-PER\nRuto I-PER\n"
BODIES = {"/ner": {"text": "rais Nairobi"}, "/compare": {"text": "rais Nairobi"}, "/accuracy": {"conll": OWN}}


@pytest.fixture
def port(services: Services, service: Service, tmp_path: Path) -> Iterator[int]:
    """A server with a test split of two sentences."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "hau.conll").write_text(TEST_SPLIT, encoding="utf-8")
    with served(services.make(service.engine.pool, service.runtimes, artifacts=tmp_path).front) as port:
        yield port


def check(path: str, answer: dict[str, Any]) -> None:
    """The answer is to the body that was sent."""
    if path == "/accuracy":
        assert answer["data"]["name"] == "sent with the request"
        assert answer["examples"] == 1
    elif path == "/compare":
        assert all(variant["entities"][0]["text"] == "Nairobi" for variant in answer["variants"])
    else:
        assert answer["results"][0]["entities"][0]["text"] == "Nairobi"


def request(method: str, path: str, *headers: str, body: bytes = b"", chunked: bool = False) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: service", *headers]
    if body:
        lines.append("Content-Type: application/json")
        if chunked:
            middle = len(body) // 2
            chunks = (body[:middle], body[middle:], b"")
            body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
            lines.append("Transfer-Encoding: chunked")
        else:
            lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def answers(received: bytes) -> list[tuple[int, bytes]]:
    """Status and body of every answer with a length."""
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        (length,) = (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        found.append((int(head[9:12]), rest[:length]))
        received = rest[length:]
    return found


def exchange(port: int, *parts: bytes) -> list[tuple[int, bytes]]:
    """Send the parts, each in a packet of its own, and read answers until the server closes."""
    with connection(port) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number, part in enumerate(parts):
            if number:
                time.sleep(0.02)
            client.sendall(part)
        return answers(read_until_closed(client))


LAST = request("GET", "/livez", "Connection: close")


def cut(content: bytes, how: str) -> list[bytes]:
    head, _, body = content.partition(b"\r\n\r\n")
    if how == "at once":
        return [content]
    if how == "head first":
        return [head + b"\r\n\r\n", body]
    return [content[place : place + 50] for place in range(0, len(content), 50)]


@pytest.mark.parametrize("offer", [H2C, WEBSOCKET], ids=["h2c", "websocket"])
@pytest.mark.parametrize("how", ["at once", "head first", "in small packets"])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", list(BODIES))
def test_an_offered_upgrade_is_ignored_and_the_body_read(
    port: int, path: str, chunked: bool, how: str, offer: tuple[str, ...]
) -> None:
    content = request("POST", path, *offer, body=json.dumps(BODIES[path]).encode(), chunked=chunked)
    # The connection goes on: a second request like the first, and one that ends it.
    got = exchange(port, *cut(content, how), *cut(content, how), LAST)
    assert [status for status, _ in got] == [200, 200, 200], got
    for _, body in got[:2]:
        check(path, json.loads(body))


def test_offers_among_pipelined_requests(port: int) -> None:
    plain = request("POST", "/ner", body=json.dumps(BODIES["/ner"]).encode())
    offering = request("POST", "/ner", *H2C, body=json.dumps(BODIES["/ner"]).encode())
    got = exchange(port, plain + offering + request("GET", "/livez", *H2C) + plain + LAST)
    assert [status for status, _ in got] == [200] * 5
    for place in (0, 1, 3):
        check("/ner", json.loads(got[place][1]))


def test_the_rest_of_the_head_stays_as_it_was(port: int) -> None:
    connect = [*H2C[1:], "Connection: close, Upgrade, HTTP2-Settings", "X-Request-Id: mine"]
    with connection(port) as client:
        client.sendall(request("POST", "/ner?variant=int8", *connect, body=json.dumps(BODIES["/ner"]).encode()))
        received = read_until_closed(client)
    assert b"\r\nx-request-id: mine\r\n" in received
    assert b'"variant":"int8"' in received


def test_connect_is_refused(port: int) -> None:
    for target in ("/ner", "example.com:80"):
        with connection(port) as client:
            client.sendall(request("CONNECT", target, "Connection: close"))
            assert read_until_closed(client).startswith(b"HTTP/1.1 40")


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("path", list(BODIES))
def test_curl_that_offers_http2(port: int, path: str, framing: str) -> None:
    curl = shutil.which("curl")
    if curl is None or "HTTP2" not in subprocess.run([curl, "--version"], capture_output=True, text=True).stdout:
        pytest.skip("there is no curl with HTTP/2")
    command = [curl, "--http2", "--silent", "--show-error", "--fail-with-body", "--max-time", "20"]
    command += ["--header", "Content-Type: application/json", "--data", json.dumps(BODIES[path])]
    if framing == "chunked":
        command += ["--header", "Transfer-Encoding: chunked"]
    url = f"http://127.0.0.1:{port}{path}"
    done = subprocess.run([*command, url], capture_output=True, text=True)
    assert done.returncode == 0, done
    check(path, json.loads(done.stdout))


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("path", ["/accuracy"])
def test_java_s_client(port: int, path: str, framing: str) -> None:
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        pytest.skip("there is no JDK")
    url = f"http://127.0.0.1:{port}{path}"
    command = [java, str(JAVA_CLIENT), url, json.dumps(BODIES[path]), framing]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    for line in done.stdout.splitlines():
        status, _, body = line.partition(" ")
        assert status == "200", done.stdout
        check(path, json.loads(body))
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize("come", [0, 5], ids=["nothing comes", "a part comes"])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", list(BODIES))
def test_a_declared_body_that_does_not_come_is_a_400(port: int, path: str, chunked: bool, come: int) -> None:
    content = request("POST", path, body=json.dumps(BODIES[path]).encode(), chunked=chunked)
    head, _, body = content.partition(b"\r\n\r\n")
    with connection(port) as client:
        client.sendall(head + b"\r\n\r\n" + body[:come])
        client.shutdown(socket.SHUT_WR)
        started = time.monotonic()
        ((status, answer),) = answers(read_until_closed(client))
    assert time.monotonic() - started < 5
    assert status == 400
    assert json.loads(answer)["error"]["code"] == "malformed_body"


@pytest.mark.parametrize("path", list(BODIES))
def test_chunks_that_hold_nothing_are_a_400(port: int, path: str) -> None:
    head = request("POST", path, "Content-Type: application/json", "Transfer-Encoding: chunked", "Connection: close")
    ((status, answer),) = exchange(port, head + b"0\r\n\r\n")
    assert status == 400
    assert json.loads(answer)["error"]["code"] == "malformed_body"


@pytest.mark.parametrize("headers", [(), ("Content-Length: 0",), ("Content-Type: application/json",)])
def test_no_body_at_all_still_means_the_test_split(port: int, headers: tuple[str, ...]) -> None:
    ((status, answer),) = exchange(port, request("POST", "/accuracy", *headers, "Connection: close"))
    assert status == 200
    assert json.loads(answer)["data"]["name"] == "sample, test split"
