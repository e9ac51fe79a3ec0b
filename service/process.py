"""Starts and stops the engine of a serving process, whichever server runs it."""

import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from service.admission.drain import drain_on
from service.artifacts.pool import VariantPool
from service.inference.engine import Engine
from service.settings import NATIVE_ENVIRONMENT, Settings
from service.telemetry import logs, tracing

os.environ.update(NATIVE_ENVIRONMENT)


def start() -> Engine:
    """Create the engine from the settings. It loads its variants in the background.

    In the main thread, SIGTERM and SIGINT drain the process before the previous handler runs, and SIGHUP reloads
    artefacts.
    Raises ``pydantic.ValidationError`` if a setting is invalid, and ``ValueError`` if a trace exporter is missing.
    """
    settings = Settings()
    logs.configure(settings.log_format)
    tracing.configure()
    pool = VariantPool(settings.artifacts, settings.threads, variants=settings.variants)
    engine = Engine(settings, pool)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            drain_on(number, engine.admission)
        signal.signal(signal.SIGHUP, lambda number, frame: pool.ask_refresh())
    pool.start(settings.reload_seconds)
    return engine


def close(engine: Engine) -> None:
    """Stop background work and send pending spans."""
    engine.close()
    tracing.close()


@asynccontextmanager
async def lifespan(api: FastAPI) -> AsyncIterator[None]:
    """The application's ASGI lifespan. BentoML does not pass lifespan events on to the application that it mounts."""
    engine = api.state.engine = start()
    yield
    close(engine)
