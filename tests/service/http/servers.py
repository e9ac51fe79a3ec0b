"""A real uvicorn server on a loopback socket, and a client that decides about every byte it sends."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from service.http.transport import HttpProtocol


@contextmanager
def served(app: Any, http: Any = HttpProtocol) -> Iterator[int]:
    """Serve an ASGI application in a thread; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(app, http=http, log_config=None, timeout_keep_alive=60, timeout_graceful_shutdown=5)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            deadline = time.monotonic() + 30
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        yield client


def head(*headers: str) -> bytes:
    """The head of a POST to /ner."""
    lines = ["POST /ner HTTP/1.1", "Host: service", "Content-Type: application/json", *headers, "", ""]
    return "\r\n".join(lines).encode()


def read_until_closed(client: socket.socket) -> bytes:
    """What the server sends until it closes the connection; ``TimeoutError`` if it does not."""
    received = b""
    # The kernel resets a connection that is closed with unread data.
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(65536):
            received += chunk
    return received
