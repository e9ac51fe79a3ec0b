"""GET /metrics and GET /."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.artifacts.pool import VariantPool
from service.variants import VARIANTS
from tests.fakes import FakeRuntimes
from tests.service.conftest import Service, Services

pytestmark = pytest.mark.anyio


async def samples(service: Service) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by sample name and sorted label values."""
    response = await service.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


async def test_requests_are_counted_by_variant_and_status(service: Service) -> None:
    await service.ner({"text": "Nairobi"})
    await service.ner({"text": "Nairobi"}, "int8")
    await service.ner({"text": "Nairobi"}, "int8")
    await service.ner({"text": 1}, "int8")
    await service.ner({"text": "Nairobi"}, "nothing")
    found = await samples(service)
    assert found["kidogo_requests_total"] == {
        ("/ner", "200", "dense"): 1,
        ("/ner", "200", "int8"): 2,
        ("/ner", "422", "int8"): 1,
        ("/ner", "404", ""): 1,
    }
    assert found["kidogo_inference_seconds_count"] == {("dense",): 1, ("int8",): 2}
    assert found["kidogo_queue_seconds_count"] == {("dense",): 1, ("int8",): 2}
    for phase in ("tokenize", "decode"):
        assert found[f"kidogo_{phase}_seconds_count"] == {("dense",): 1, ("int8",): 2}
    assert found["kidogo_tokens_total"][("int8",)] == 2 * found["kidogo_tokens_total"][("dense",)] > 0
    assert found["kidogo_errors_total"] == {
        ("invalid_request", "/ner", "int8"): 1,
        ("unknown_variant", "/ner", ""): 1,
    }
    assert set(found["kidogo_variant_resident_bytes"]) == {(name,) for name in VARIANTS}
    assert found["kidogo_variant_stale"] == {(name,): 0 for name in VARIANTS}
    assert found["kidogo_variant_built_timestamp_seconds"][("dense",)] == 1767323045
    assert found["process_resident_memory_bytes"][()] > 0
    assert found["kidogo_in_flight"] == {(): 0}
    assert found["kidogo_variant_ready"] == {(name,): 1 for name in VARIANTS}


async def test_faults_and_unknown_variants_are_counted(service: Service) -> None:
    with service.runtimes.failing(RuntimeError("broken")):
        await service.ner({"text": "Nairobi"}, "pruned")
    for number in range(50):
        await service.ner({"text": "Nairobi"}, f"variant{number}")
    assert (await samples(service))["kidogo_requests_total"] == {
        ("/ner", "500", "pruned"): 1,
        ("/ner", "404", ""): 50,
    }


async def test_50_unknown_paths_add_one_series(service: Service) -> None:
    for number in range(50):
        await service.get(f"/unknown/{number}")
    assert (await samples(service))["kidogo_requests_total"] == {("unknown", "404", ""): 50}


async def test_variants_that_are_left_out_raise_no_alert(services: Services, artifacts: Path) -> None:
    runtimes = FakeRuntimes(
        load_errors={
            "int8": ModuleNotFoundError("No module named 'torch'", name="torch"),
            "pruned": RuntimeError("no such operator"),
        }
    )
    pool = VariantPool(artifacts, 1, runtimes, ["dense", "int8", "pruned"])
    service = services.make(pool, runtimes)
    assert (await samples(service))["kidogo_variant_ready"] == {("dense",): 0, ("int8",): 0, ("pruned",): 0}
    pool.load()
    found = await samples(service)
    assert found["kidogo_variant_ready"] == {("dense",): 1, ("pruned",): 0}
    for name in ("stale", "resident_bytes"):
        assert set(found[f"kidogo_variant_{name}"]) == {("dense",), ("pruned",)}


async def test_the_documentation_is_a_page(service: Service) -> None:
    documentation = await service.get("/docs")
    assert documentation.status_code == 200
    assert documentation.headers["content-type"].startswith("text/html")
