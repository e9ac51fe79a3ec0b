"""The application that ``bentoml serve`` runs: BentoML's own routes and shapes must not show through."""

import functools
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.artifacts.pool import VariantPool
from service.http.transport import HttpProtocol
from service.variants import VARIANTS
from tests.fakes import LABEL_OF_VARIANT, FakeRuntimes, Gate
from tests.service.http.servers import served
from tests.service.http.shapes import assert_refused
from tests.waiting import eventually


@pytest.fixture(scope="module", params=["as bentoml serve does", "mounted elsewhere"])
def way(request: pytest.FixtureRequest) -> str:
    """Straight to the service, or through BentoML's layers."""
    return str(request.param)


@pytest.fixture(scope="module")
def loading(way: str) -> Gate:
    """Held closed, the second variant goes on loading."""
    return Gate()


@pytest.fixture(scope="module")
def runtimes(loading: Gate) -> FakeRuntimes:
    return FakeRuntimes(load_gates={"pruned": loading})


@pytest.fixture(scope="module")
def client(way: str, artifacts: Path, runtimes: FakeRuntimes, loading: Gate) -> Iterator[httpx.Client]:
    from service import app, process

    http = HttpProtocol if way == "mounted elsewhere" else "auto"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NER_ARTIFACTS", str(artifacts))
        # As JSON it goes to the standard output past pytest.
        patch.setenv("NER_LOG_FORMAT", "text")
        patch.setattr(process, "VariantPool", functools.partial(VariantPool, load_runtime=runtimes))
        with (
            served(app.NerService.to_asgi(), http) as port,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
        ):
            assert loading.reached.wait(20)
            assert_refused(client.get("/readyz"), 503, "variant_not_ready")
            assert client.get("/livez").status_code == 200
            assert client.post("/ner", json={"text": "Nairobi"}).status_code == 200
            loading.open()
            deadline = time.monotonic() + 20
            while client.get("/readyz").status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield client


def test_probes(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "live"}
    assert client.get("/readyz").json() == {"status": "ready"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_ner(client: httpx.Client, variant: str) -> None:
    response = client.post("/ner", params={"variant": variant}, json={"text": "Nairobi"})
    assert response.status_code == 200
    assert response.json()["results"][0]["entities"][0]["label"] == LABEL_OF_VARIANT[variant]
    assert response.headers["x-request-id"]


def test_variants(client: httpx.Client) -> None:
    assert [(one["name"], one["status"]) for one in client.get("/variants").json()] == [
        (name, "ready") for name in VARIANTS
    ]


def test_metrics_are_the_services_own(client: httpx.Client) -> None:
    client.get("/nothing")
    text = client.get("/metrics").text
    assert 'kidogo_requests_total{path="unknown",status="404",variant=""}' in text
    assert "bentoml_" not in text


@pytest.mark.parametrize("path", ["/nothing", "/healthz", "/schema.json", "/docs.json", "/static_content/", "/a/b"])
def test_404(client: httpx.Client, path: str) -> None:
    assert_refused(client.get(path), 404, "not_found")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/variants", "/openapi.json", "/docs", "/"])
def test_405(client: httpx.Client, path: str) -> None:
    response = client.post(path)
    assert_refused(response, 405, "method_not_allowed")
    assert "GET" in response.headers["allow"]


def test_refusals(client: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    assert_refused(client.post("/ner", content=b"{", headers=headers), 400, "malformed_body")
    assert_refused(client.post("/ner?variant=nothing", json={"text": "a"}), 404, "unknown_variant")
    assert_refused(client.post("/ner", json={"texts": ["a"] * 33}), 413, "too_large")
    assert_refused(client.post("/ner", files={"file": b"a"}), 415, "unsupported_media_type")
    assert_refused(client.post("/ner", content=b"--", headers={"content-type": "multipart/form-data"}), 415,
                   "unsupported_media_type")  # fmt: skip
    assert_refused(client.post("/ner", json={}), 422, "invalid_request")


def test_500(client: httpx.Client, runtimes: FakeRuntimes, caplog: pytest.LogCaptureFixture) -> None:
    with runtimes.failing(RuntimeError("secret")):
        response = client.post("/ner", json={"text": "Nairobi"}, headers={"X-Request-Id": "given"})
    assert assert_refused(response, 500, "internal")["details"] == {"request_id": "given"}
    assert "secret" not in response.text
    # The answer goes out first.
    assert eventually(lambda: "request given failed" in caplog.text)


def test_documentation(client: httpx.Client) -> None:
    assert client.get("/openapi.json").json()["info"]["title"] == "Kidogo"
    assert "Kidogo" in client.get("/").text
    assert client.get("/docs").status_code == 200
