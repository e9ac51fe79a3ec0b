"""The log: a JSON object a line, with the ids, sizes and times of requests, and never their text."""

import logging
import sys
from contextvars import ContextVar
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from service.settings import LogFormat

logger = logging.getLogger("kidogo")

_facts: ContextVar[dict[str, Any]] = ContextVar("facts")


def configure(log_format: LogFormat) -> None:
    """Set up the logger ``kidogo`` and those under it; as ``text`` they write as BentoML's own do."""
    # A log that cannot be written, to a full disk say, must not fill another one with its complaints.
    logging.raiseExceptions = False
    logger.setLevel(logging.INFO)
    if log_format == "json":
        handler = logging.StreamHandler(sys.stdout)
        names = {"levelname": "level", "name": "logger"}
        handler.setFormatter(JsonFormatter("%(levelname)s %(name)s %(message)s", timestamp="time", rename_fields=names))
        logger.handlers = [handler]
        logger.propagate = False


def begin_request(request_id: str) -> dict[str, Any]:
    """The facts of the request that the calling task answers, which ``note`` adds to."""
    facts = {"request_id": request_id}
    _facts.set(facts)
    return facts


def leave_request() -> None:
    """What the calling task notes from here on belongs to no request's line."""
    _facts.set({})


def note(**facts: Any) -> None:
    """Add facts to the line that ends the current request; outside of requests, nothing."""
    _facts.get({}).update(facts)
