"""The errors of the service with their HTTP status; one handler in ``http.api`` renders all of them.

ServiceError
├── MalformedBody 400          ├── InvalidRequest 422
├── Unauthorized 401           ├── ImpossibleWish 422
├── NotFound 404               ├── Overloaded 429
├── UnknownVariant 404         ├── UnreadableTestData 500
├── NoTestData 404             ├── VariantNotReady 503
├── MethodNotAllowed 405       ├── Draining 503
├── UnsupportedMediaType 415   ├── TookTooLong 504
└── TooLarge 413               ├── InternalError 500
                               └── ClientGone 499 (metrics only)
"""

from typing import Any, ClassVar


class ServiceError(Exception):
    """An error with a message for the client. ``details`` must be JSON; ``headers`` are added to the response."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, message: str, details: dict[str, Any] | None = None, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.message = message
        self.details = details or {}
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}


class MalformedBody(ServiceError):
    status, code = 400, "malformed_body"


class Unauthorized(ServiceError):
    status, code = 401, "unauthorized"


class NotFound(ServiceError):
    status, code = 404, "not_found"


class UnknownVariant(ServiceError):
    status, code = 404, "unknown_variant"

    def __init__(self, name: str, known: list[str]):
        super().__init__(f"There is no variant {name[:100]!r}. Choose from: {', '.join(known)}.", {"variants": known})


class NoTestData(ServiceError):
    status, code = 404, "no_test_data"


class MethodNotAllowed(ServiceError):
    status, code = 405, "method_not_allowed"


class TooLarge(ServiceError):
    status, code = 413, "too_large"


class UnsupportedMediaType(ServiceError):
    status, code = 415, "unsupported_media_type"


class InvalidRequest(ServiceError):
    status, code = 422, "invalid_request"


class ImpossibleWish(ServiceError):
    status, code = 422, "impossible_wish"


class Overloaded(ServiceError):
    status, code = 429, "overloaded"


class ClientGone(ServiceError):
    """The client disconnected. The status is nginx's and appears only in metrics and logs."""

    status, code = 499, "client_gone"


class InternalError(ServiceError):
    status, code = 500, "internal"

    def __init__(self, request_id: str):
        super().__init__(
            "Internal error. The server's log has details under this request id.", {"request_id": request_id}
        )


class UnreadableTestData(ServiceError):
    status, code = 500, "unreadable_test_data"


class VariantNotReady(ServiceError):
    status, code = 503, "variant_not_ready"


class Draining(ServiceError):
    status, code = 503, "draining"


class TookTooLong(ServiceError):
    status, code = 504, "timeout"
