"""Kidogo's service. ``bentoml serve service:NerService`` serves the variants in ``artifacts/``."""

import os
from typing import Any

# Read when numpy loads. Its threads compete with the runtimes' threads for cores: a bootstrap over 200 sentences took
# 150 ms with two threads and 6 ms with one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__all__ = ["NerService"]


def __getattr__(name: str) -> Any:
    # Lazy, because the build imports parts of this package without serving.
    if name == "NerService":
        from service.app import NerService

        return NerService
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
