"""What BentoML mounts. Imports little, because BentoML's supervisor, which serves no requests, imports it too."""

from starlette.types import ASGIApp, Receive, Scope, Send

from service.http.security import PROBES

SYSTEM_PATHS = (*PROBES, "/healthz", "/metrics", "/schema.json")
"""Polled by machines, so not logged. Where BentoML's layers are active, it has its own routes for them."""


class Deferred:
    """An ASGI application whose ``front`` is set when the worker process starts."""

    front: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.front is not None, "requests arrive only after the start"
        await self.front(scope, receive, send)


class SystemPaths:
    """ASGI middleware that sends probes and metrics to the service's own routes."""

    def __init__(self, app: ASGIApp, own: ASGIApp):
        self.app = app
        self.own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        mine = scope["type"] == "http" and scope["path"] in SYSTEM_PATHS
        await (self.own if mine else self.app)(scope, receive, send)
