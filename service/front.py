"""What stands before every route: counts requests, and turns a fault into the service's one error shape."""

import logging
import uuid

from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.engine import Engine
from service.errors import InternalError

logger = logging.getLogger("kidogo")

SYSTEM_PATHS = ("/livez", "/healthz", "/readyz", "/metrics")
"""BentoML has routes of its own for these, which answer in other shapes."""


class Front:
    """An ASGI application around the routes. It is no Starlette application, so that BentoML hands it every path."""

    def __init__(self, api: FastAPI):
        self.api = api
        self._paths = {route.path for route in api.routes if hasattr(route, "path")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.api(scope, receive, send)
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.api(scope, receive, send_and_note)
        except Exception as error:
            request_id = uuid.uuid4().hex
            logger.error("request %s failed", request_id, exc_info=error)
            if status == 0:
                fault = InternalError(
                    "The service failed. Its log says why, under this id.", {"request_id": request_id}
                )
                await JSONResponse(fault.body(), fault.status)(scope, receive, send_and_note)
        finally:
            self._count(scope, status)

    def _count(self, scope: Scope, status: int) -> None:
        engine: Engine = self.api.state.engine
        path = scope["path"] if scope["path"] in self._paths else "unknown"
        variant = scope.get("state", {}).get("variant", "")
        engine.metrics.requests.labels(path, variant, str(status)).inc()


class SystemPaths:
    """ASGI middleware that takes the probes and the metrics to the service's own routes."""

    def __init__(self, app: ASGIApp, front: Front):
        self.app = app
        self.front = front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        mine = scope["type"] == "http" and scope["path"] in SYSTEM_PATHS
        await (self.front if mine else self.app)(scope, receive, send)
