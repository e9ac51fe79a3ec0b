"""Checks the environment variables before a server starts."""

from service.settings import read_settings
from service.telemetry import tracing


def refuse_invalid_environment() -> None:
    """Raise ``SystemExit``, which names the variable, if a setting or the exporter of traces is invalid.

    Such a setting would end BentoML's worker, which its supervisor starts again and again.
    """
    try:
        read_settings()
        tracing.exporter()
    except ValueError as error:
        raise SystemExit(str(error)) from None
