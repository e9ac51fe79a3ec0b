"""The HTTP routes. They are thin: they read, ask the engine, and answer."""

import asyncio
import html
import importlib.util
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from service.bodies import invalid, read_json
from service.engine import Engine
from service.errors import ClientGone, InternalError, MethodNotAllowed, NotFound, ServiceError, VariantNotReady
from service.pool import Slot
from service.schemas import ErrorAnswer, MetricsAnswer, NerAnswer, NerRequest, VariantAnswer
from service.variants import DEFAULT_VARIANT, VARIANTS

T = TypeVar("T")

_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is not JSON in UTF-8"},
    404: {"description": "Unknown variant"},
    413: {"description": "The body, a document or the number of documents is over the limit"},
    415: {"description": "The body is not application/json, or is encoded"},
    422: {"description": "JSON with wrong fields"},
    429: {"description": "More requests in flight than accepted"},
    500: {"description": "A fault of the service; the request id is in its log"},
    503: {"description": "The variant is not ready, or the server is shutting down"},
    504: {"description": "The request took longer than the limit"},
}
for _refusal in _REFUSALS.values():
    _refusal["model"] = ErrorAnswer

_SWAGGER_FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-light-32x32.png")


def _find_swagger_ui() -> Path | None:
    """BentoML's copy of Swagger UI, so that the page asks no other host for it; None if it no longer brings one."""
    bentoml = importlib.util.find_spec("bentoml")
    if bentoml is None or bentoml.origin is None:
        return None
    folder = Path(bentoml.origin).parent / "_internal" / "server" / "static_content"
    return folder if all((folder / name).is_file() for name in _SWAGGER_FILES) else None


_SWAGGER_UI = _find_swagger_ui()

VariantQuery = Annotated[
    str,
    Query(
        description="The variant that answers",
        json_schema_extra={"enum": list(VARIANTS)},
    ),
]


def create_api() -> FastAPI:
    """The routes. ``api.state.engine`` is set by the service when it starts."""
    api = FastAPI(
        title="Kidogo",
        summary="Named-entity recognition for African languages, in several compressed variants",
        version="1",
        openapi_url="/openapi.json",
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    api.add_exception_handler(ServiceError, _refuse)
    api.add_exception_handler(HTTPException, _refuse_http)
    api.add_exception_handler(RequestValidationError, _refuse_parameters)
    api.add_exception_handler(Exception, _fail)

    @api.get("/", include_in_schema=False)
    def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    @api.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        if _SWAGGER_UI is None:
            return HTMLResponse(_plain_docs(api.openapi()))
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=api.title,
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url="/docs/favicon-light-32x32.png",
            # By default the page has its document checked by a server of Swagger's.
            swagger_ui_parameters={"validatorUrl": None},
        )

    @api.get("/docs/{name}", include_in_schema=False)
    def docs_file(name: str) -> FileResponse:
        if _SWAGGER_UI is None or name not in _SWAGGER_FILES:
            raise HTTPException(404)
        return FileResponse(_SWAGGER_UI / name)

    @api.post(
        "/ner",
        response_model=NerAnswer,
        responses=_REFUSALS,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NerRequest"}}},
            }
        },
    )
    async def ner(request: Request, variant: VariantQuery = DEFAULT_VARIANT) -> Response:
        """Find persons, places, organisations and dates."""
        started = time.perf_counter()
        engine: Engine = request.app.state.engine
        async with engine.reading():
            engine.pool.get(variant)
            request.state.variant = variant
            body = await read_json(request, NerRequest, engine.settings.max_body_bytes)
        with engine.admitted():
            answer = await _unless_gone(request, engine.recognize(body, variant, started))
        return Response(answer.model_dump_json(exclude_unset=True), media_type="application/json")

    @api.get("/variants")
    def variants(request: Request) -> list[VariantAnswer]:
        """The variants: what each is, what it scored, and whether it is ready."""
        return [_describe(slot) for slot in request.app.state.engine.pool]

    @api.get("/livez", responses={200: {"description": "The process answers"}})
    def livez() -> dict[str, str]:
        return {"status": "live"}

    @api.get("/readyz", responses={503: _REFUSALS[503]})
    def readyz(request: Request) -> dict[str, str]:
        """Ready once every variant was tried and at least one can answer."""
        engine: Engine = request.app.state.engine
        if not engine.ready:
            states = {slot.variant.name: slot.status for slot in engine.pool}
            raise VariantNotReady("The service is not ready.", {"variants": states}, {"Retry-After": "5"})
        return {"status": "ready"}

    @api.get("/metrics", response_class=Response)
    def metrics(request: Request) -> Response:
        """Prometheus metrics."""
        engine: Engine = request.app.state.engine
        for slot in engine.pool:
            engine.metrics.ready.labels(slot.variant.name).set(slot.status == "ready")
        return Response(generate_latest(engine.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    _document_body(api)
    return api


def _plain_docs(document: dict[str, Any]) -> str:
    """A page of the operations, for an installation without Swagger UI."""
    lines = [
        f"<li><code>{method.upper()} {html.escape(path)}</code> {html.escape(operation.get('description', ''))}</li>"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    title = html.escape(document["info"]["title"])
    return (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>'
        f'<ul>{"".join(lines)}</ul><p><a href="/openapi.json">OpenAPI document</a></p></html>'
    )


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Await the work, or cancel it and raise ``ClientGone`` when the client disconnects. The body has been read."""
    working = asyncio.ensure_future(work)
    # After the body the only message left is http.disconnect.
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone("The client closed the connection before its answer.")
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


def _document_body(api: FastAPI) -> None:
    """Put the body's schema, which the route reads by itself, among the OpenAPI document's components."""
    make = api.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        document["components"]["schemas"].setdefault(
            "NerRequest", NerRequest.model_json_schema(ref_template="#/components/schemas/{model}")
        )
        return document

    api.openapi = openapi  # type: ignore[method-assign]


def _describe(slot: Slot) -> VariantAnswer:
    manifest = slot.manifest
    answer = VariantAnswer(
        name=slot.variant.name,
        technique=slot.variant.technique,
        runtime=slot.variant.runtime,
        status=slot.status,
        reason=slot.reason,
        default=slot.variant.name == DEFAULT_VARIANT,
        resident_bytes=slot.resident_bytes,
    )
    if manifest is None:
        return answer
    return answer.model_copy(
        update={
            "parameters": manifest.parameters,
            "nonzero_parameters": manifest.nonzero_parameters,
            "sparsity": manifest.sparsity,
            "artifact_bytes": manifest.artifact_bytes,
            "labels": manifest.labels,
            "languages": manifest.languages,
            "metrics": MetricsAnswer(data=manifest.data.name, data_digest=manifest.data.digest, **manifest.metrics),
            "base_model": manifest.base_model,
            "recipe": manifest.recipe.model_dump(),
            "digest": manifest.digest,
            "built_at": manifest.built_at,
        }
    )


def _answer(error: ServiceError) -> Response:
    return JSONResponse(error.body(), error.status, error.headers)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return _answer(error)


async def _refuse_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return _answer(
            MethodNotAllowed(
                f"{request.method} is not allowed here. Use {allowed}.", {"allowed": allowed}, {"Allow": allowed}
            )
        )
    return _answer(NotFound(f"There is nothing at {request.url.path[:200]}. /docs lists what there is."))


async def _refuse_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _answer(invalid(list(error.errors())))


async def _fail(request: Request, error: Exception) -> Response:
    # The front logs the error, which Starlette raises again once this answer is sent.
    return _answer(
        InternalError("The service failed. Its log says why, under this id.", {"request_id": request.state.request_id})
    )
