"""What stands before every route: gives each request an id, counts it, and logs what failed."""

import logging
import re
import uuid

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.engine import Engine
from service.errors import ClientGone

logger = logging.getLogger("kidogo")

SYSTEM_PATHS = ("/livez", "/healthz", "/readyz", "/metrics", "/schema.json")
"""BentoML has routes of its own for these, which answer in other shapes."""

REQUEST_ID = "X-Request-Id"
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Front:
    """An ASGI application around the routes. It is no Starlette application, so that BentoML hands it every path."""

    def __init__(self, api: FastAPI):
        self.api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.api(scope, receive, send)
        status = 0
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        # The router leaves here the route that it finds; what is here now is BentoML's.
        scope.pop("route", None)

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            if status == ClientGone.status:
                return
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self.api(scope, receive, send_and_note)
        except Exception as error:
            logger.error("request %s failed", request_id, exc_info=error)
        finally:
            path = getattr(scope.get("route"), "path", "unknown")
            self._count(path, state.get("variant", ""), status)

    def _count(self, path: str, variant: str, status: int) -> None:
        engine: Engine = self.api.state.engine
        engine.metrics.requests.labels(path, variant, str(status)).inc()


def _request_id(scope: Scope) -> str:
    """The caller's own id if it is a plain one, otherwise a new one."""
    given = Headers(scope=scope).get(REQUEST_ID, "")
    return given if _ACCEPTED_ID.fullmatch(given) else uuid.uuid4().hex


class SystemPaths:
    """ASGI middleware that takes the probes and the metrics to the service's own routes."""

    def __init__(self, app: ASGIApp, front: Front):
        self.app = app
        self.front = front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        mine = scope["type"] == "http" and scope["path"] in SYSTEM_PATHS
        await (self.front if mine else self.app)(scope, receive, send)
