"""Reads requests from the socket and writes responses to it.

Requests bypass BentoML's layers, which cost 0.15 ms and memory: their time limit sets a timer per request that is never
cancelled, 0.78 kB for as long as the limit, and the limit must be long enough for an accuracy check (0.05 kB without
them, over 10,000 requests).

Headers and body leave in one write, up to what the socket takes at once, some hundred kilobytes. This is not for speed
(throughput times 1.03 [0.97..1.07]): a load balancer retries on another replica only if it has received nothing of a
response, and a SIGKILL between uvicorn's two writes lost the response every time.

Requests to upgrade the connection are ignored, as RFC 9110 allows. curl --http2 and Java's HttpClient offer h2c with
their first request; httptools stops parsing there, and uvicorn would pass on the request without its body.
"""

import asyncio
import contextlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import httptools
import uvicorn.config
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

CUT_OFF = "body_cut_off"
"""Key in the request's state that is set if the client stopped sending before the end of the body."""

_OFFERS = frozenset({b"upgrade", b"http2-settings"})
_ENOUGH = 65536
"""Bytes after which a write is not delayed any longer, so that long responses are not buffered."""

HEAD_SECONDS = 10.0
"""How long a client may take to send the head of a request, or pause in a body that was answered early."""

MOST_HEAD_BYTES = 64 * 1024
"""Of a head, or of trailers, that arrive in several reads. The parser joins the reads of a header in quadratic time."""

MOST_PIPELINED = 100
"""Requests of one connection that wait for the answer before; a read has room for thousands."""

LINGER_SECONDS = 5.0
"""How long a server that is shutting down waits for clients to read their answers, which are complete by then."""


class OneWriteATurn:
    """A transport that joins all writes of one iteration of the event loop."""

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
    """uvicorn's protocol, but it ignores upgrades, flushes complete responses at once, limits heads and pipelines, and
    drops clients that stop reading at shutdown."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._joining = OneWriteATurn(transport)
        self._running: RequestResponseCycle | None = None
        # Between requests, and while a head arrives.
        self._in_head = True
        self._head_bytes = 0
        self._refused = False
        self._head_timer: asyncio.TimerHandle | None = None
        super().connection_made(cast(asyncio.Transport, self._joining))
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        self.pipeline.clear()
        # uvicorn tells the last request of a pipeline only, which never ran.
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._refused:
            return
        self._head_bytes += len(data)
        self._parse(data)
        if self._refused:
            return
        if self._head_bytes > MOST_HEAD_BYTES:
            self._refuse(431, "The head of the request is too large.")
        elif not self._busy():
            self._expect_head()

    def _parse(self, data: bytes) -> None:
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
            self._refuse(400, "Invalid HTTP request received.")

    def on_headers_complete(self) -> None:
        # Parse the same request again, without the upgrade.
        if not self._upgrade_offered():
            self._end_head()
            # Raises if the target has no path; then no request has begun.
            super().on_headers_complete()
            self._in_head = False
            if len(self.pipeline) > MOST_PIPELINED:
                # httptools stops parsing.
                raise ValueError("too many requests wait on this connection")

    def on_body(self, body: bytes) -> None:
        # After an early answer, the rest of the body may be slow, but must keep coming.
        self._end_head()
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._upgrade_offered():
            self._end_head()
            self._in_head = True
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _end_head(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._busy():
            self._expect_head()
        else:
            self.transport.close()

    def _busy(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def _refuse(self, status: int, message: str) -> None:
        """Close a connection that sends invalid bytes, once the requests before them have been answered."""
        self._refused = True
        running = self._running
        if not self._in_head and self.pipeline:
            # The rest of this request's body will never arrive.
            self.pipeline.popleft()
        elif not self._in_head and running is not None:
            if running.response_started:
                self.transport.close()
                return
            running.disconnected = True
            running.message_event.set()
            running = None
        last = self.pipeline[0][0] if self.pipeline else running
        if last is not None and not last.response_complete:
            last.keep_alive = False
            return
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            "content-type: text/plain; charset=utf-8",
            f"content-length: {len(message)}",
            "connection: close",
        ]
        self.transport.write("\r\n".join([*lines, "", message]).encode())
        self.transport.close()

    def _upgrade_offered(self) -> bool:
        # httptools also treats CONNECT as an upgrade.
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_upgrade(self) -> bytes:
        """The last request head, as HTTP/1.1 and without the upgrade. The parser has validated every part."""
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
        # uvicorn sets it if httptools is new enough.
        with contextlib.suppress(AttributeError):
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that stops sending in the middle of a body may still read the error response."""
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

    def shutdown(self) -> None:
        """uvicorn waits until all connections are closed, and one whose client reads nothing would never be."""
        super().shutdown()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)


def serve(application: ASGIApp, serves: Callable[[], bool]) -> None:
    """Make the server that BentoML starts in this process use this protocol for ``application``; BentoML has no option
    for it.

    If another service's process only imports this one (``serves`` is false), nothing changes.
    """

    class Straight(HttpProtocol):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            if serves():
                self.app = application
                # A WebSocket handshake would bypass the service; without WebSocket support, it is an ordinary GET.
                self.ws_protocol_class = None

    # uvicorn accepts the class as well as its import path.
    uvicorn.config.HTTP_PROTOCOLS["auto"] = Straight  # type: ignore[assignment]
