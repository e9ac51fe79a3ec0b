"""GET /docs: Swagger UI, served from a local copy that makes no requests to other hosts.

URLs are relative, because a proxy may serve the service under a path prefix that it strips.
"""

import html
import importlib.util
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from service.http.routes.shared import WholeFile

router = APIRouter(include_in_schema=False)

_SWAGGER_FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-light-32x32.png")

# A separate file, so that the content security policy need not allow inline scripts. By default, Swagger UI sends the
# document to a validator on another host.
_START = 'SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null});'


def _find_swagger_ui() -> Path | None:
    """The copy of Swagger UI that BentoML ships, or None if it no longer ships one."""
    bentoml = importlib.util.find_spec("bentoml")
    if bentoml is None or bentoml.origin is None:
        return None
    folder = Path(bentoml.origin).parent / "_internal" / "server" / "static_content"
    return folder if all((folder / name).is_file() for name in _SWAGGER_FILES) else None


_SWAGGER_UI = _find_swagger_ui()


@router.get("/openapi.json")
def document(request: Request) -> JSONResponse:
    return JSONResponse(request.app.openapi())


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    if _SWAGGER_UI is None:
        return HTMLResponse(_plain_docs(request.app.openapi()))
    return HTMLResponse(
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{html.escape(request.app.title)}</title>'
        '<link rel="stylesheet" href="docs/swagger-ui.css"><link rel="icon" href="docs/favicon-light-32x32.png">'
        '<div id="swagger-ui"></div><script src="docs/swagger-ui-bundle.js"></script>'
        '<script src="docs/start.js"></script></html>'
    )


@router.get("/docs/start.js")
def start() -> Response:
    return Response(_START, media_type="text/javascript")


@router.get("/docs/{name}")
def docs_file(name: str) -> WholeFile:
    if _SWAGGER_UI is None or name not in _SWAGGER_FILES:
        raise HTTPException(404)
    return WholeFile(_SWAGGER_UI / name)


def _plain_docs(document: dict[str, Any]) -> str:
    """A plain list of the operations, for an installation without Swagger UI."""
    lines = [
        f"<li><code>{method.upper()} {html.escape(path)}</code> {html.escape(operation.get('description', ''))}</li>"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    title = html.escape(document["info"]["title"])
    return (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>'
        f'<ul>{"".join(lines)}</ul><p><a href="openapi.json">OpenAPI document</a></p></html>'
    )
