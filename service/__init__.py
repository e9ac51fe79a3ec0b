"""Kidogo's service. ``bentoml serve service:NerService`` serves what the build left in ``artifacts/``."""

import os
from typing import Any

# Read when numpy loads. Beside the runtimes' threads those of its matrix products only wait for a core: a bootstrap
# over 200 sentences took 150 ms with two of them and 6 ms with one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__all__ = ["NerService"]


def __getattr__(name: str) -> Any:
    # The build imports parts of this package and must not start a web service for it.
    if name == "NerService":
        from service.app import NerService

        return NerService
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
