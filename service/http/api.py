"""The web application: routes and error responses."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from service.errors import InternalError, MethodNotAllowed, NotFound, ServiceError
from service.evaluation.agreement import Agreement
from service.evaluation.checks import Checks
from service.http.bodies import invalid
from service.http.document import TAGS, describe
from service.http.methods import HeadAsGet, allowed
from service.http.parameters import only_known
from service.http.routes import accuracy, compare, docs, ner, playground, system


def create_api(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None) -> FastAPI:
    """All routes. The caller sets ``api.state.engine``, unless ``lifespan`` does."""
    api = FastAPI(
        lifespan=lifespan,
        title="Kidogo",
        summary="Named-entity recognition for African languages, in several compressed variants",
        version="1",
        openapi_tags=TAGS,
        # routes/docs.py serves it.
        openapi_url=None,
        # Relative to the document, because a proxy may strip a path prefix.
        servers=[{"url": "."}],
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        # FastAPI's telemetry would duplicate the service's spans and log what callers sent.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    api.add_exception_handler(ServiceError, _refuse)
    api.add_exception_handler(HTTPException, _refuse_http)
    api.add_exception_handler(RequestValidationError, _refuse_parameters)
    api.add_exception_handler(Exception, _fail)
    for module in (ner, compare, accuracy, system):
        api.include_router(module.router, dependencies=[Depends(only_known)])
    # Mail clients and social networks add parameters to shared links.
    for module in (docs, playground):
        api.include_router(module.router)
    api.add_middleware(HeadAsGet)
    api.state.checks = Checks()
    api.state.agreement = Agreement()
    describe(api)
    return api


def _answer(request: Request, error: ServiceError) -> Response:
    request.state.error_code = error.code
    return JSONResponse(error.body(), error.status, error.headers)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return _answer(request, error)


async def _refuse_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        methods = allowed((error.headers or {}).get("Allow", ""))
        return _answer(
            request,
            MethodNotAllowed(
                f"{request.method} is not allowed here. Use {methods}.", {"allowed": methods}, {"Allow": methods}
            ),
        )
    return _answer(request, NotFound(f"There is nothing at {request.url.path[:200]}. /docs lists what there is."))


async def _refuse_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _answer(request, invalid(list(error.errors())))


async def _fail(request: Request, error: Exception) -> Response:
    # Starlette raises the error again after sending this response, and front.py logs it.
    return _answer(request, InternalError(request.state.request_id))
