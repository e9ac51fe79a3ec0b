"""GET /: the playground, as static files. Its content security policy forbids requests to other hosts."""

from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from service.http.routes.shared import WholeFile

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parent.parent / "playground"
FILES = {path.name for path in FOLDER.iterdir()} - {"index.html"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # The page changes with the service's version.
    "Cache-Control": "no-cache",
}


@router.get("/")
def page() -> WholeFile:
    return WholeFile(FOLDER / "index.html", headers=HEADERS)


@router.get("/playground/{name}")
def file(name: str) -> WholeFile:
    if name not in FILES:
        raise HTTPException(404)
    return WholeFile(FOLDER / name, headers=HEADERS)
