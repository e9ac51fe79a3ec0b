"""OpenTelemetry spans: one for each request, and in it queue, tokenize, inference and decode.

Nothing is recorded unless the standard variables ask for it: ``OTEL_TRACES_EXPORTER`` (``otlp``, ``console``) or
``OTEL_EXPORTER_OTLP_ENDPOINT``. The SDK reads the other ``OTEL_…`` variables by itself.
"""

import os
import threading
import time
from contextlib import AbstractContextManager
from importlib.metadata import entry_points

from opentelemetry import propagate, trace
from starlette.datastructures import Headers

from service.ner.timing import Phase, Timer

_tracer = trace.get_tracer("kidogo")

CLOSE_SECONDS = 5


def configure() -> None:
    """Send spans where the environment says. Raises ``ValueError`` if it names an exporter that is not installed."""
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    name = os.environ.get("OTEL_TRACES_EXPORTER") or ("otlp" if any(map(os.environ.get, endpoints)) else "none")
    if name == "none" or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    found = entry_points(group="opentelemetry_traces_exporter")
    # Of the two that are otlp, HTTP is the one that the service's dependencies bring.
    (exporter, *_) = found.select(name="otlp_proto_http" if name == "otlp" else name) or (None,)
    if exporter is None:
        raise ValueError(
            f"OTEL_TRACES_EXPORTER is {name!r}, which is not installed. There are: {', '.join(sorted(found.names))}."
        )
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    os.environ.setdefault("OTEL_SERVICE_NAME", "kidogo")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter.load()()))
    trace.set_tracer_provider(provider)


def close() -> None:
    """Send what is not sent yet. The server ends by the signal that it was sent, so nothing runs at exit to do it."""
    shutdown = getattr(trace.get_tracer_provider(), "shutdown", None)
    if shutdown is not None:
        # With a collector that is gone, the SDK would try again for half a minute.
        sending = threading.Thread(target=shutdown, daemon=True)
        sending.start()
        sending.join(CLOSE_SECONDS)


def request_span(headers: Headers, method: str, request_id: str) -> AbstractContextManager[trace.Span]:
    """The span of a request, part of the caller's trace if its headers name one (W3C ``traceparent``)."""
    return _tracer.start_as_current_span(
        method,
        # Not the current context: where BentoML's layers are not passed by, it holds a span that is never sent.
        context=propagate.extract(headers),
        kind=trace.SpanKind.SERVER,
        attributes={"http.request.method": method, "kidogo.request_id": request_id},
        record_exception=False,
    )


def add_phases(submitted: float, queue_seconds: float, timer: Timer) -> None:
    """Spans inside the current one for what a request waited for and did; times by ``perf_counter``.

    A phase that other requests interrupted spans from its first beginning to its last end; ``kidogo.seconds`` is
    what it took itself.
    """
    if not trace.get_current_span().is_recording():
        return
    queue = Phase(queue_seconds, submitted, submitted + queue_seconds)
    offset = time.time_ns() - time.perf_counter_ns()
    for name, phase in (
        ("queue", queue),
        ("tokenize", timer.tokenize),
        ("inference", timer.inference),
        ("decode", timer.decode),
    ):
        if phase.began is not None:
            span = _tracer.start_span(name, start_time=offset + int(phase.began * 1e9))
            span.set_attribute("kidogo.seconds", phase.seconds)
            span.end(offset + int(phase.ended * 1e9))
