"""The service, whose worker is killed between the head of an answer and its body for requests with ``X-Die``."""

import os
import signal
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.app import NerService

__all__ = ["NerService"]

_send = RequestResponseCycle.send


async def _send_or_die(self: RequestResponseCycle, message: Any) -> None:
    if message["type"] == "http.response.body" and b"x-die" in dict(self.scope["headers"]):
        os.kill(os.getpid(), signal.SIGKILL)
    await _send(self, message)


RequestResponseCycle.send = _send_or_die  # type: ignore[method-assign]
