"""Shared by the routes: documentation of errors, files, and waiting for work or the client's disconnect."""

import asyncio
from collections.abc import Awaitable
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from service.errors import ClientGone
from service.schemas.errors import ErrorAnswer
from service.variants import VARIANTS

T = TypeVar("T")

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is not JSON in UTF-8"},
    401: {"description": "The service has a token, and the request does not carry it"},
    404: {"description": "Unknown variant"},
    413: {"description": "The body, a document or the number of documents is over the limit"},
    415: {"description": "The body is not application/json, or is encoded"},
    422: {"description": "JSON with wrong fields"},
    429: {"description": "Too many requests in flight, too many bodies being read, or too long a queue"},
    500: {"description": "A fault of the service; the request id is in its log"},
    503: {"description": "The variant is not ready, or the server is shutting down"},
    504: {"description": "The request took longer than the limit"},
}
for _refusal in REFUSALS.values():
    _refusal["model"] = ErrorAnswer

VariantQuery = Annotated[
    str,
    Query(
        description="The variant that answers",
        json_schema_extra={"enum": list(VARIANTS)},
    ),
]


class WholeFile(FileResponse):
    """A file that is always sent whole: errors about a Range would not have the service's form."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name not in (b"range", b"if-range")]
        await super().__call__({**scope, "headers": headers}, receive, send)


def body_of(model: type[BaseModel], required: bool = True) -> dict[str, Any]:
    """The OpenAPI description of a body that the route reads itself. ``api.py`` adds the model's schema."""
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": reference}}}}


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Await the work, or cancel it and raise ``ClientGone`` when the client disconnects. The body must be read."""
    asking = asyncio.current_task()
    assert asking is not None
    gone = ended = False

    def leave(_: object) -> None:
        nonlocal gone
        # This callback may have been scheduled already when the work ended.
        if not ended:
            gone = True
            asking.cancel()

    # After the body the only message left is http.disconnect.
    leaving = asyncio.ensure_future(request.receive())
    leaving.add_done_callback(leave)
    try:
        result = await work
    except asyncio.CancelledError:
        # If the server cancels the request too, that takes precedence.
        if gone and not asking.uncancel():
            raise ClientGone("The client closed the connection before the response.") from None
        raise
    finally:
        ended = True
        leaving.cancel()
    if gone:
        # The work had already ended, so the cancellation did not reach it.
        asking.uncancel()
    return result
