"""HEAD over a real connection: what GET says, without the body."""

from collections.abc import Iterator

import httpx
import pytest

from tests.service.conftest import Service
from tests.service.http.servers import connection, read_until_closed, served

PATHS = [
    "/", "/playground/playground.js", "/livez", "/readyz", "/variants", "/docs", "/docs/start.js",
    "/docs/swagger-ui.css", "/openapi.json",
]  # fmt: skip


@pytest.fixture
def port(service: Service) -> Iterator[int]:
    with served(service.front) as port:
        yield port


@pytest.mark.parametrize("path", [*PATHS, "/metrics"])
def test_as_get_without_a_body(port: int, path: str) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        got, headed, again = client.get(path), client.head(path), client.get(path)
    assert (got.status_code, headed.status_code, again.status_code) == (200, 200, 200)
    assert headed.content == b""
    assert headed.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":
        assert headed.headers["content-length"] == got.headers["content-length"] == str(len(got.content))
    assert headed.extensions["network_stream"] is again.extensions["network_stream"]


@pytest.mark.parametrize("path", [*PATHS, "/metrics", "/nothing", "/ner", "/variants?x=1"])
def test_not_a_byte_follows_the_head(port: int, path: str) -> None:
    with connection(port) as client:
        client.sendall(f"HEAD {path} HTTP/1.1\r\nHost: service\r\nConnection: close\r\n\r\n".encode())
        answer = read_until_closed(client)
    assert answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1
    assert b"\r\ncontent-length: " in answer
    statuses = {"/nothing": b"404", "/ner": b"405", "/variants?x=1": b"422"}
    assert answer[9:12] == statuses.get(path, b"200")


def test_it_is_counted_by_its_path(port: int) -> None:
    httpx.head(f"http://127.0.0.1:{port}/variants")
    metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert 'kidogo_requests_total{path="/variants",status="200",variant=""} 1.0' in metrics


@pytest.mark.parametrize("path", ["/", "/playground/variants.js", "/docs/swagger-ui.css"])
def test_a_range_of_a_file_is_ignored(port: int, path: str) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        whole = client.get(path)
        for given in ("bytes=abc", "bytes=999999999-", "bytes=0-10"):
            response = client.get(path, headers={"Range": given})
            assert (response.status_code, response.content) == (200, whole.content)
