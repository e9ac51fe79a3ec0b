"""How requests come from the socket, and answers reach it.

Requests come straight to the service, past BentoML's own layers: what it uses of them it does itself, they cost 0.15
ms, and one of them, the time limit, leaves a timer behind for each request: 0.8 kB until the limit's end, which is far
off because a check of accuracy may take that long.

Answers leave in one piece, so that a process that is killed has sent all of one or nothing, as far as the socket takes
the whole of it at once: some hundred kilobytes. A load balancer asks another replica only while it has seen nothing of
the answer. uvicorn writes the head by itself, and a SIGKILL between head and body cost the caller the answer.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import uvicorn.config
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_ENOUGH = 65536
"""Bytes that are sent before the turn ends, so that an answer in many parts is not collected whole."""


class OneWriteATurn:
    """A transport that joins what is written in one turn of the event loop."""

    def __init__(self, transport: asyncio.Transport):
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._kept: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if not self._kept:
            self._loop.call_soon(self.flush)
        self._kept.append(data)
        self._size += len(data)
        if self._size >= _ENOUGH:
            self.flush()

    def flush(self) -> None:
        if self._kept:
            kept, self._kept, self._size = self._kept, [], 0
            self._transport.write(b"".join(kept))

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, which does not wait for the turn's end once an answer is complete."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._joining = OneWriteATurn(transport)
        super().connection_made(cast(asyncio.Transport, self._joining))

    def on_response_complete(self) -> None:
        self._joining.flush()
        super().on_response_complete()


def serve(application: ASGIApp, serves: Callable[[], bool]) -> None:
    """Have the server that BentoML starts in this process do so for ``application``; it offers no option for that.

    If it does not ``serves`` here, because another service's process has imported it, requests go their usual way.
    """

    class Straight(HttpProtocol):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            if serves():
                self.app = application
                # The handshake of a WebSocket would go past the service; without this it is a GET like any other.
                self.ws_protocol_class = None

    # Where uvicorn expects the path of a class it takes the class, too.
    uvicorn.config.HTTP_PROTOCOLS["auto"] = Straight  # type: ignore[assignment]
