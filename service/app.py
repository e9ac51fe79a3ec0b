"""The BentoML service: one process with all variants behind the routes of ``http.api``."""

import os

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
# The single worker keeps metrics in memory; multiprocess mode would cost a system call per update.
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)

import bentoml

from service.http import transport
from service.http.mounted import Deferred, SystemPaths
from service.http.supervisor import pass_on_sighup
from service.telemetry.environment import refuse_invalid_environment

refuse_invalid_environment()
application = Deferred()
pass_on_sighup()
transport.serve(application, lambda: application.front is not None)


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
@bentoml.asgi_app(application, path="/")
class NerService:
    """Named-entity recognition with several variants of one model."""

    def __init__(self) -> None:
        # Imported here, so that BentoML's supervisor does not load the routes and runtimes.
        from service import process
        from service.http.api import create_api
        from service.http.front import Front

        api = create_api()
        self.engine = api.state.engine = process.start()
        application.front = Front(api)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        from service import process

        process.close(self.engine)


NerService.add_asgi_middleware(SystemPaths, own=application)  # type: ignore[attr-defined]
