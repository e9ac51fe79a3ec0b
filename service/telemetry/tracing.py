"""OpenTelemetry spans: one per request, with child spans for queue, tokenize, inference and decode.

Tracing is off unless ``OTEL_TRACES_EXPORTER`` (``otlp``, ``console``) or ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set. The
SDK reads the other ``OTEL_…`` variables.
"""

import os
import threading
import time
from contextlib import AbstractContextManager
from importlib.metadata import EntryPoint, entry_points

from opentelemetry import propagate, trace
from starlette.datastructures import Headers

from service.ner.timing import Phase, Timer

_tracer = trace.get_tracer("kidogo")

CLOSE_SECONDS = 5


def exporter() -> EntryPoint | None:
    """The exporter that the environment names, if any. Raises ``ValueError`` if it is not installed."""
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    name = os.environ.get("OTEL_TRACES_EXPORTER") or ("otlp" if any(map(os.environ.get, endpoints)) else "none")
    if name == "none" or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    found = entry_points(group="opentelemetry_traces_exporter")
    # Of the two otlp exporters, the service's dependencies include HTTP.
    for entry in found.select(name="otlp_proto_http" if name == "otlp" else name):
        return entry
    raise ValueError(
        f"OTEL_TRACES_EXPORTER is {name!r}, which is not installed. Choose from: {', '.join(sorted(found.names))}."
    )


def configure() -> None:
    """Set up the exporter that the environment names. Raises ``ValueError`` if it is not installed."""
    chosen = exporter()
    if chosen is None:
        return
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    os.environ.setdefault("OTEL_SERVICE_NAME", "kidogo")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(chosen.load()()))
    trace.set_tracer_provider(provider)


def close() -> None:
    """Send pending spans. Called explicitly because the process exits by a signal, which skips exit handlers."""
    shutdown = getattr(trace.get_tracer_provider(), "shutdown", None)
    if shutdown is not None:
        # Without a collector, the SDK would retry for half a minute.
        sending = threading.Thread(target=shutdown, daemon=True)
        sending.start()
        sending.join(CLOSE_SECONDS)


def request_span(headers: Headers, method: str, request_id: str) -> AbstractContextManager[trace.Span]:
    """The span of a request, in the client's trace if the headers name one (W3C ``traceparent``)."""
    return _tracer.start_as_current_span(
        method,
        # Not the current context: behind BentoML's middleware, it has a span that is never exported.
        context=propagate.extract(headers),
        kind=trace.SpanKind.SERVER,
        attributes={"http.request.method": method, "kidogo.request_id": request_id},
        record_exception=False,
    )


def add_phases(submitted: float, queue_seconds: float, timer: Timer) -> None:
    """Add child spans for queueing and the phases of a request; times are of ``perf_counter``.

    A span lasts from the first start to the last end of its phase; ``kidogo.seconds`` excludes other requests.
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
