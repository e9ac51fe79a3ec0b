"""The bearer token, and the security headers of all responses."""

import hmac

from starlette.datastructures import Headers

from service.errors import Unauthorized
from service.settings import Settings

RawHeaders = list[tuple[bytes, bytes]]

PROBES = frozenset({"/livez", "/readyz"})

# Swagger UI uses inline styles.
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_OTHER_POLICY = "default-src 'none'; frame-ancestors 'none'"


def _headers(policy: str) -> RawHeaders:
    """Encoded once, because every response has them."""
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
    """The page's files hold no data. The page asks for the token before it requests any."""
    return path == "/" or path.startswith("/playground/")


def authorize(path: str, headers: Headers, settings: Settings) -> None:
    """Raise ``Unauthorized`` if the path needs the token and the request does not carry it."""
    if (
        settings.token is None
        or path in PROBES
        or _is_page(path)
        or (path == "/metrics" and not settings.metrics_need_token)
    ):
        return
    scheme, _, given = headers.get("authorization", "").partition(" ")
    expected = settings.token.get_secret_value().encode()
    # Constant-time comparison: timing must not reveal how much of the token was right.
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("utf-8", "replace"), expected):
        raise Unauthorized(
            "This requires the service's token, as in: Authorization: Bearer TOKEN.",
            headers={"WWW-Authenticate": "Bearer"},
        )


def protect(headers: RawHeaders) -> RawHeaders:
    """A response's headers plus the security headers. Headers set by a route take precedence."""
    given = dict(headers)
    is_page = given.get(b"content-type", b"").startswith(b"text/html")
    return [*headers, *(header for header in (_FOR_PAGES if is_page else _FOR_OTHERS) if header[0] not in given)]
