"""Reads request bodies: checks and counts them while they stream in, then parses them. All errors are
``ServiceError``.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json
from starlette.requests import ClientDisconnect

from service.errors import InvalidRequest, MalformedBody, TooLarge, UnsupportedMediaType
from service.http.transport import CUT_OFF

Model = TypeVar("Model", bound=BaseModel)
LARGE_BYTES = 256 * 1024
MAX_PROBLEMS = 10
MAX_FIELD_CHARACTERS = 100


async def read_json(
    request: Request,
    model: type[Model],
    max_bytes: int,
    optional: bool = False,
    items: Mapping[str, type[BaseModel]] = {},
) -> Model:
    """Read a body as ``model``. Raises errors with status 415, 413, 400 or 422; buffers at most ``max_bytes``.

    If the body is ``optional``, an absent one is read as ``{}``. Large bodies are parsed in a thread. ``items`` are the
    models of long lists in them, by field: validating one item at a time lets other requests proceed.
    """
    if optional and "content-type" not in request.headers and not await _read(request, max_bytes):
        return model()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType(
            f"The body must be application/json, not {media_type[:100] or 'of an unnamed type'}.",
            {"expected": "application/json"},
        )
    encoding = request.headers.get("content-encoding")
    if encoding is not None:
        raise UnsupportedMediaType(
            f"The body must not be encoded (Content-Encoding: {encoding[:100]}).",
            {"expected": "no Content-Encoding"},
        )
    body = await _read(request, max_bytes)
    if optional and not body:
        return model()
    if len(body) <= LARGE_BYTES:
        return _parse(body, model, {})
    return await asyncio.to_thread(_parse, body, model, items)


def _parse(body: bytes, model: type[Model], items: Mapping[str, type[BaseModel]]) -> Model:
    try:
        # NaN and Infinity are not JSON, although Pydantic accepts them.
        content = from_json(body, allow_inf_nan=False, cache_strings="none")
    except ValueError as error:
        raise MalformedBody(f"The body is not JSON in UTF-8: {error}.") from None
    if not isinstance(content, dict):
        raise invalid([{"type": "dict_type", "loc": (), "msg": "Input should be an object", "input": None}])
    # An invalid item is left to the validation of the whole, which says where it is.
    with contextlib.suppress(ValidationError):
        for name, item in items.items():
            if isinstance(content.get(name), list):
                content[name] = [item.model_validate(value) for value in content[name]]
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_input=False, include_context=False)) from None


async def _read(request: Request, max_bytes: int) -> bytes:
    declared = _declared(request)
    too_large = TooLarge(
        f"The body is larger than {max_bytes:,} bytes.", {"max_bytes": max_bytes}, {"Connection": "close"}
    )
    if declared is not None and declared > max_bytes:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise too_large
    except ClientDisconnect:
        raise MalformedBody("The connection was closed before the whole body had arrived.") from None
    _refuse_unless_whole(request, declared, len(body))
    return bytes(body)


def _declared(request: Request) -> int | None:
    """The length of the body that the headers declare; an absurd one is cut, as it may have thousands of digits."""
    digits = request.headers.get("content-length", "")
    return int(digits.lstrip("0")[:20] or "0") if digits.isdecimal() else None


def _refuse_unless_whole(request: Request, declared: int | None, received: int) -> None:
    """Raise ``MalformedBody`` if the headers declare a body that has not arrived. Treating it as absent would answer a
    different request.
    """
    if declared is not None and declared != received:
        expected = f"{declared:,} bytes"
    elif getattr(request.state, CUT_OFF, False) or ("transfer-encoding" in request.headers and not received):
        expected = "a body in chunks"
    else:
        return
    raise MalformedBody(
        f"The request declares {expected}, but {received:,} bytes arrived. Send the whole body.",
        {"received_bytes": received},
        {"Connection": "close"},
    )


def invalid(problems: list[ErrorDetails]) -> InvalidRequest:
    """An error with status 422 that names the fields."""
    fields = [
        {"field": ".".join(map(str, problem["loc"]))[:MAX_FIELD_CHARACTERS] or "body", "problem": problem["msg"]}
        for problem in problems[:MAX_PROBLEMS]
    ]
    first = fields[0]
    return InvalidRequest(f"{first['field']}: {first['problem']}.", {"fields": fields, "problems": len(problems)})
