"""Wraps all routes: authorization, request id, tracing span, metrics and log line."""

import re
import time
import uuid
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from service.errors import InternalError, ServiceError
from service.http.mounted import SYSTEM_PATHS
from service.http.security import authorize, protect
from service.inference.engine import Engine
from service.telemetry.logs import begin_request, logger
from service.telemetry.tracing import request_span

REQUEST_ID = "X-Request-Id"
REQUEST_ID_RAW = REQUEST_ID.lower().encode()
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Front:
    """An ASGI application around the routes. It is not a Starlette application, so BentoML passes it every path."""

    def __init__(self, api: FastAPI):
        self.api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.api(scope, receive, send)
        started = time.perf_counter()
        status = 0
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        facts = begin_request(request_id)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        # The router stores the matched route here. Remove the one of an application that mounts this one.
        scope.pop("route", None)

        held: Message | None = None

        async def send_and_note(message: Message) -> None:
            nonlocal status, held
            if message["type"] == "http.response.start":
                status = message["status"]
                # Also for ClientGone, although no client will read it: without an answer uvicorn logs an error.
                message["headers"] = protect([*message["headers"], (REQUEST_ID_RAW, request_id.encode())])
                # Held back until the body starts, so that both leave in one write (see transport.py).
                held = message
                return
            if held is not None:
                start, held = held, None
                await send(start)
            await send(message)

        with request_span(headers, scope["method"], request_id) as span:
            try:
                await self._answer(scope, headers, receive, send_and_note)
            except Exception as error:
                logger.error("request %s failed", request_id, exc_info=error)
                if held is not None or not status:
                    # Nothing has been sent yet.
                    await _refuse(InternalError(request_id), scope, receive, send_and_note)
            finally:
                # An unknown path is client input and must not become a label.
                path = getattr(scope.get("route"), "path", "unknown")
                method, variant, code = scope["method"], state.get("variant", ""), state.get("error_code")
                span.update_name(f"{method} {path}")
                span.set_attributes({"http.route": path, "http.response.status_code": status})
                span.set_attribute("kidogo.variant", variant)
                self._count(path, variant, status, code)
                facts |= {"method": method, "path": path, "variant": variant, "status": status, "code": code}
                _log(facts, started)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        try:
            authorize(scope["path"], headers, self._engine.settings)
        except ServiceError as error:
            await _refuse(error, scope, receive, send)
        else:
            await self.api(scope, receive, send)

    def _count(self, path: str, variant: str, status: int, code: str | None) -> None:
        self._engine.metrics.requests.labels(path, variant, str(status)).inc()
        if code is not None:
            self._engine.metrics.errors.labels(path, variant, code).inc()

    @property
    def _engine(self) -> Engine:
        engine: Engine = self.api.state.engine
        return engine


def _request_id(headers: Headers) -> str:
    """The client's request id if it is well-formed, otherwise a new one."""
    given = headers.get(REQUEST_ID, "")
    return given if _ACCEPTED_ID.fullmatch(given) else uuid.uuid4().hex


async def _refuse(error: ServiceError, scope: Scope, receive: Receive, send: Send) -> None:
    scope["state"]["error_code"] = error.code
    await JSONResponse(error.body(), error.status, error.headers)(scope, receive, send)


def _log(facts: dict[str, Any], started: float) -> None:
    # Probes and scrapes would fill the log. Metrics count them.
    if facts["path"] not in SYSTEM_PATHS:
        facts["total_ms"] = round((time.perf_counter() - started) * 1000, 3)
        logger.info("request", extra={name: fact for name, fact in facts.items() if fact not in ("", None)})
