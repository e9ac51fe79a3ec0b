"""Logging as one JSON object per line, with the ids, sizes and times of requests but never their text."""

import logging
import sys
from contextvars import ContextVar
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from service.settings import LogFormat

logger = logging.getLogger("kidogo")

_facts: ContextVar[dict[str, Any]] = ContextVar("facts")


def configure(log_format: LogFormat) -> None:
    """Configure the logger ``kidogo`` and its children."""
    # If the log cannot be written, for example because the disk is full, do not report that to stderr.
    logging.raiseExceptions = False
    logger.setLevel(logging.INFO)
    handler = logging.StreamHandler(sys.stdout)
    if log_format == "json":
        names = {"levelname": "level", "name": "logger"}
        handler.setFormatter(JsonFormatter("%(levelname)s %(name)s %(message)s", timestamp="time", rename_fields=names))
    else:
        handler.setFormatter(TextFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger.handlers = [handler]
    logger.propagate = False


class TextFormatter(logging.Formatter):
    """Appends the fields of a record to its message, as ``name=value``."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = [f"{name}={value}" for name, value in vars(record).items() if name not in RESERVED_ATTRS]
        return " ".join([super().formatMessage(record), *fields])


def begin_request(request_id: str) -> dict[str, Any]:
    """Start collecting the log fields of the current task's request; ``note`` adds to them."""
    facts = {"request_id": request_id}
    _facts.set(facts)
    return facts


def leave_request() -> None:
    """Discard what the current task notes from here on."""
    _facts.set({})


def note(**facts: Any) -> None:
    """Add fields to the log line of the current request; does nothing outside of requests."""
    _facts.get({}).update(facts)
