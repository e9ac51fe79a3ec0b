"""Kidogo's service. ``bentoml serve service:NerService`` serves what the build left in ``artifacts/``."""

from typing import Any

__all__ = ["NerService"]


def __getattr__(name: str) -> Any:
    # The build imports parts of this package and must not start a web service for it.
    if name == "NerService":
        from service.app import NerService

        return NerService
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
