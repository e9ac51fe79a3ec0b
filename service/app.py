"""The BentoML service: one process with all variants behind the routes of ``http.api``."""

import os
import signal
import threading

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# The single worker keeps metrics in memory; multiprocess mode would cost a system call per update.
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)

import bentoml

from service.admission.drain import drain_on
from service.artifacts.pool import VariantPool
from service.http import transport
from service.http.api import create_api
from service.http.front import Front, SystemPaths
from service.http.supervisor import pass_on_sighup
from service.inference.engine import Engine
from service.settings import Settings
from service.telemetry import logs, tracing

front = Front(create_api())
pass_on_sighup()
transport.serve(front, lambda: hasattr(front.api.state, "engine"))


# The service has its own limits, metrics, spans and error format. BentoML's are off because they would answer first if
# the service is mounted with to_asgi, where its middleware is not bypassed (see http.transport).
@bentoml.service(
    name="kidogo",
    workers=1,
    traffic={"timeout": 3600},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": [".*"]},
)
@bentoml.asgi_app(front, path="/")
class NerService:
    """Named-entity recognition with several variants of one model."""

    def __init__(self) -> None:
        settings = Settings()
        logs.configure(settings.log_format)
        tracing.configure()
        pool = VariantPool(settings.artifacts, settings.threads, variants=settings.variants)
        self.engine = front.api.state.engine = Engine(settings, pool)
        if threading.current_thread() is threading.main_thread():
            drain_on(signal.SIGTERM, self.engine.admission)
            signal.signal(signal.SIGHUP, lambda number, frame: pool.ask_refresh())
        pool.start(settings.reload_seconds)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        self.engine.close()
        tracing.close()


NerService.add_asgi_middleware(SystemPaths, front=front)  # type: ignore[attr-defined]
