"""Server-sent events: clients that accept text/event-stream get partial answers immediately."""

import json
import logging
from collections.abc import AsyncIterator

from fastapi import Request
from fastapi.responses import StreamingResponse

from service.errors import InternalError, ServiceError
from service.schemas.fields import Event

logger = logging.getLogger("kidogo")

MEDIA_TYPE = "text/event-stream"
DOCUMENTED = {MEDIA_TYPE: {"schema": {"type": "string"}}}


def wants_events(request: Request) -> bool:
    return MEDIA_TYPE in request.headers.get("accept", "")


def stream(request: Request, events: AsyncIterator[Event]) -> StreamingResponse:
    """Send named events with JSON data. A failure after the first byte becomes an ``error`` event."""
    return StreamingResponse(
        _written(request, events),
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _written(request: Request, events: AsyncIterator[Event]) -> AsyncIterator[str]:
    try:
        async for name, data in events:
            yield f"event: {name}\ndata: {data.model_dump_json()}\n\n"
    except ServiceError as error:
        yield _error(request, error)
    except Exception as error:
        request_id = request.state.request_id
        logger.error("request %s failed", request_id, exc_info=error)
        yield _error(request, InternalError(request_id))


def _error(request: Request, error: ServiceError) -> str:
    request.state.error_code = error.code
    return f"event: error\ndata: {json.dumps(error.body())}\n\n"
