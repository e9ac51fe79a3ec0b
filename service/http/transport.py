"""Takes requests from the socket and writes answers to it.

Requests bypass BentoML's layers, which cost 0.15 ms. Their time limit sets a timer per request that is never cancelled:
0.78 kB a request for the whole limit, which has to be long because a check of accuracy may take that long (0.05 kB
without, 10,000 requests).

Answers leave in one write of head and body, as far as the socket takes them at once, some hundred kilobytes. Not for
speed (throughput times 1.03 [0.97..1.07]): a load balancer asks another replica only while it has seen nothing of an
answer, and a SIGKILL between uvicorn's two writes lost the answer every time.

Offers to upgrade the connection are ignored, as RFC 9110 allows. curl --http2 and Java's HttpClient offer h2c with
every first request; httptools stops at such a head, and uvicorn then passes on the request without its body.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, cast

import httptools
import uvicorn.config
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

CUT_OFF = "body_cut_off"
"""What the request's state holds where the client has stopped sending before its body's end."""

_OFFERS = frozenset({b"upgrade", b"http2-settings"})
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
    """uvicorn's, which ignores upgrades and does not wait for the turn's end once an answer is complete."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._joining = OneWriteATurn(transport)
        super().connection_made(cast(asyncio.Transport, self._joining))

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            while True:
                try:
                    self.parser.feed_data(data)
                    return
                except httptools.HttpParserUpgrade as offer:
                    if not self._upgrade_offered():
                        return
                    (end_of_head,) = offer.args
                    data = self._head_without_upgrade() + data[end_of_head:]
                    self._renew_parser()
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def on_headers_complete(self) -> None:
        # The same request comes again, without its offer.
        if not self._upgrade_offered():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self._upgrade_offered():
            super().on_message_complete()

    def _upgrade_offered(self) -> bool:
        # httptools calls CONNECT an upgrade as well.
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_upgrade(self) -> bytes:
        """The head that was read last, as HTTP/1.1 without its offer. The parser has checked every part of it."""
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                options = (option.strip() for option in value.split(b","))
                value = b", ".join(option for option in options if option.lower() not in _OFFERS)
            if name not in _OFFERS and value:
                lines.append(b"%s: %s" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def _renew_parser(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        # As uvicorn has it, where httptools is new enough.
        with contextlib.suppress(AttributeError):
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that has stopped sending in the middle of a body may still read why it is refused."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.more_body:
            return False
        cycle.scope["state"][CUT_OFF] = True
        cycle.keep_alive = cycle.more_body = False
        cycle.message_event.set()
        return True

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
