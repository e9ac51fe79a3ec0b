"""What routes have in common: how they are documented, and how they wait."""

import asyncio
from collections.abc import Awaitable
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request
from pydantic import BaseModel

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
    429: {"description": "More requests in flight than accepted"},
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


def body_of(model: type[BaseModel], required: bool = True) -> dict[str, Any]:
    """How OpenAPI shows a body that the route reads by itself; ``document_bodies`` adds the model's schema."""
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": reference}}}}


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """Await the work, or cancel it and raise ``ClientGone`` when the client disconnects. The body has been read."""
    asking = asyncio.current_task()
    assert asking is not None
    gone = ended = False

    def leave(_: object) -> None:
        nonlocal gone
        # The loop may have had this among its next calls already when the work ended.
        if not ended:
            gone = True
            asking.cancel()

    # After the body the only message left is http.disconnect.
    leaving = asyncio.ensure_future(request.receive())
    leaving.add_done_callback(leave)
    try:
        result = await work
    except asyncio.CancelledError:
        # Not if the server cancels it as well: then that counts.
        if gone and not asking.uncancel():
            raise ClientGone("The client closed the connection before its answer.") from None
        raise
    finally:
        ended = True
        leaving.cancel()
    if gone:
        # What was awaited had ended by then and took no notice.
        asking.uncancel()
    return result
