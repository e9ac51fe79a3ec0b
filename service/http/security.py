"""Who may ask, and the headers that keep a browser from doing more with an answer than was meant."""

import hmac

from starlette.datastructures import Headers

from service.errors import Unauthorized
from service.settings import Settings

RawHeaders = list[tuple[bytes, bytes]]

PROBES = frozenset({"/livez", "/readyz"})

# Swagger UI styles its elements one by one.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_OTHER_POLICY = "default-src 'none'; frame-ancestors 'none'"


def _headers(policy: str) -> RawHeaders:
    """As they go over the wire, for they go with every answer."""
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


_FOR_PAGES, _FOR_OTHERS = _headers(_PAGE_POLICY), _headers(_OTHER_POLICY)


def _is_page(path: str) -> bool:
    """The page's own files hold nothing of anybody's; it asks for the token before it asks for more."""
    return path == "/" or path.startswith("/playground/")


def authorize(path: str, headers: Headers, settings: Settings) -> None:
    """Raise ``Unauthorized`` unless the request carries the token, where there is one and the path needs it."""
    if (
        settings.token is None
        or path in PROBES
        or _is_page(path)
        or (path == "/metrics" and not settings.metrics_need_token)
    ):
        return
    scheme, _, given = headers.get("authorization", "").partition(" ")
    expected = settings.token.get_secret_value().encode()
    # Compared in a time that does not tell how much of it was right.
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("utf-8", "replace"), expected):
        raise Unauthorized(
            "This needs the service's token, as in: Authorization: Bearer TOKEN.",
            headers={"WWW-Authenticate": "Bearer"},
        )


def protect(headers: RawHeaders) -> RawHeaders:
    """An answer's headers with the security headers among them; one that a route has set stays."""
    given = dict(headers)
    is_page = given.get(b"content-type", b"").startswith(b"text/html")
    return [*headers, *(header for header in (_FOR_PAGES if is_page else _FOR_OTHERS) if header[0] not in given)]
