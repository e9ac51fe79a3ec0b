"""OpenTelemetry spans, sent as the standard variables say."""

import json
import os
import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.telemetry import tracing
from tests import ROOT
from tests.service.conftest import Service

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    return exporter


@pytest.mark.anyio
async def test_a_request_is_a_span_of_the_caller_s_trace_with_its_phases_inside(
    service: Service, spans: InMemorySpanExporter
) -> None:
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-Id": "a-1"}
    body = {"texts": ["Rais alikutana na wajumbe mjini Nairobi. " * 40] * 2}
    assert (await service.request("POST", "/ner?variant=int8", json=body, headers=headers)).status_code == 200
    found: dict[str, ReadableSpan] = {span.name: span for span in spans.get_finished_spans()}
    assert set(found) == {"POST /ner", "queue", "tokenize", "inference", "decode"}
    request = found.pop("POST /ner")
    assert format(request.context.trace_id, "032x") == TRACE
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/ner",
        "http.response.status_code": 200,
        "kidogo.request_id": "a-1",
        "kidogo.variant": "int8",
    }
    for span in found.values():
        assert span.parent is not None
        assert span.parent.span_id == request.context.span_id
        # Clocks of two kinds are compared, so microseconds may be off.
        assert request.start_time - 1e6 <= span.start_time <= span.end_time <= request.end_time + 1e6
        assert span.attributes is not None
        seconds = span.attributes["kidogo.seconds"]
        assert isinstance(seconds, float)
        assert 0 <= seconds <= (span.end_time - span.start_time) / 1e9 + 1e-3
    assert "Nairobi" not in "".join(span.to_json() for span in spans.get_finished_spans())


def configured(**environment: str) -> subprocess.CompletedProcess[str]:
    script = (
        "from opentelemetry import trace\n"
        "from service.telemetry import tracing\n"
        "tracing.configure()\n"
        "with tracing.request_span({}, 'POST', 'a-1') as span:\n"
        "    print(span.is_recording())\n"
        "getattr(trace.get_tracer_provider(), 'shutdown', lambda: None)()\n"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env={**clean, **environment}, capture_output=True, text=True
    )


def test_without_the_variables_nothing_is_recorded() -> None:
    assert configured().stdout == "False\n"
    assert configured(OTEL_TRACES_EXPORTER="console", OTEL_SDK_DISABLED="true").stdout == "False\n"


def test_the_exporter_is_the_one_that_the_environment_names() -> None:
    answer, _, span = configured(OTEL_TRACES_EXPORTER="console", OTEL_RESOURCE_ATTRIBUTES="a=b").stdout.partition("\n")
    assert answer == "True"
    resource = json.loads(span)["resource"]["attributes"]
    assert (resource["service.name"], resource["a"]) == ("kidogo", "b")


def test_an_exporter_that_is_not_there_is_named() -> None:
    failure = configured(OTEL_TRACES_EXPORTER="nothing").stderr
    assert "OTEL_TRACES_EXPORTER is 'nothing', which is not installed. Choose from: console" in failure
