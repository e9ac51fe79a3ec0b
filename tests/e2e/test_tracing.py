"""Spans really sent: the service exports over OTLP/HTTP to a collector, which decodes what it gets."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.e2e.load import TEXT
from tests.e2e.servers import serving

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Collector(ThreadingHTTPServer):
    """Takes what is posted to /v1/traces."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def exported(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        good = (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
        if good:
            self.server.bodies.append(body)
        self.send_response(200 if good else 404)
        self.send_header("Content-Type", "application/x-protobuf")
        self.end_headers()
        self.wfile.write(ExportTraceServiceResponse().SerializeToString())

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.shutdown()
            thread.join()


@pytest.mark.parametrize("delay", ["100", "60000"], ids=["sent-soon", "sent-at-the-end"])
def test_a_request_s_phases_reach_a_collector(artifacts: Path, tmp_path: Path, delay: str) -> None:
    environment = {"NER_VARIANTS": "dense", "OTEL_BSP_SCHEDULE_DELAY": delay, "OTEL_RESOURCE_ATTRIBUTES": "zone=here"}
    with collecting() as collector:
        with serving(artifacts, tmp_path / "log", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **environment) as server:
            headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
            response = httpx.post(f"{server.url}/ner", json={"text": TEXT}, headers=headers)
            assert response.status_code == 200
            deadline = time.monotonic() + 10
            while delay == "100" and not any(b"decode" in body for body in collector.bodies):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        # What was not sent yet is sent as the server ends.
        (resource,) = {
            tuple((item.key, item.value.string_value) for item in spans.resource.attributes)
            for exported in collector.exported()
            for spans in exported.resource_spans
        }
        assert {("service.name", "kidogo"), ("zone", "here")} <= set(resource)
        found = {
            span.name: span
            for exported in collector.exported()
            for spans in exported.resource_spans
            for scope in spans.scope_spans
            for span in scope.spans
            if span.trace_id.hex() == TRACE
        }
        assert found.keys() == {"POST /ner", "queue", "tokenize", "inference", "decode"}
        request = found.pop("POST /ner")
        assert request.parent_span_id.hex() == "b7ad6b7169203331"
        for span in found.values():
            assert span.parent_span_id == request.span_id
            assert span.start_time_unix_nano <= span.end_time_unix_nano
        assert not any(b"Nairobi" in body for body in collector.bodies)


def test_a_collector_that_is_gone_holds_nothing_up(artifacts: Path, tmp_path: Path) -> None:
    with collecting() as collector:
        url = collector.url
    with serving(
        artifacts,
        tmp_path / "log",
        NER_VARIANTS="dense",
        OTEL_EXPORTER_OTLP_ENDPOINT=url,
        OTEL_BSP_SCHEDULE_DELAY="100",
    ) as server:
        for _ in range(20):
            assert server.ner("dense", text=TEXT).status_code == 200
            time.sleep(0.02)
        worker = server.worker()
        server.process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        server.process.wait(60)
        assert time.monotonic() - started < 15
        assert not psutil.pid_exists(worker.pid)
