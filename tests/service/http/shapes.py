"""What every answer must look like."""

import re
from typing import Any

import httpx

INTERNALS = re.compile(
    r"Traceback|site-packages|/tmp/|/work/|/home/|/root/|\.py\b|0x[0-9a-f]{6}|[A-Z]\w+(Error|Exception|Request\b)"
)


def assert_refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check the one error shape and that nothing of the machine shows; returns the error's inside."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    answer = response.json()
    assert list(answer) == ["error"]
    error: dict[str, Any] = answer["error"]
    assert list(error) == ["code", "message", "details"]
    assert error["code"] == code
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["details"], dict)
    assert not INTERNALS.search(response.text), response.text
    return error
