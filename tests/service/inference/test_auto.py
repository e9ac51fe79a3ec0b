"""``/ner?variant=auto``. In the fake artefacts every variant has the same F1, so time and order decide."""

from typing import Any

import httpx
import pytest

from service.variants import VARIANTS
from tests.fakes import LABEL_OF_VARIANT
from tests.service.conftest import Service, Services
from tests.service.http.shapes import assert_refused

pytestmark = pytest.mark.anyio


async def ask(service: Service, **query: Any) -> httpx.Response:
    return await service.request("POST", "/ner", json={"text": "leo Nairobi"}, params={"variant": "auto", **query})


@pytest.mark.parametrize(
    "query", [{}, {"max_latency_ms": 10_000}, {"min_f1": 0.5}, {"min_f1": 0, "max_latency_ms": 1e6}]
)
async def test_the_answer_names_its_variant_and_why(service: Service, query: dict[str, float]) -> None:
    response = await ask(service, **query)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert list(answer) == ["variant", "results", "timing", "choice"]
    (entity,) = answer["results"][0]["entities"]
    assert entity["label"] == LABEL_OF_VARIANT[answer["variant"]], "the variant that is named has answered"
    choice = answer["choice"]
    assert choice["reason"].startswith(answer["variant"])
    assert choice["wish"] == {"max_latency_ms": None, "min_f1": None, **query}
    assert choice["characters"] == 11
    assert [variant["variant"] for variant in choice["considered"]] == list(VARIANTS)
    assert {variant["f1"] for variant in choice["considered"]} == {0.7}


async def test_others_have_no_choice(service: Service) -> None:
    assert "choice" not in (await service.ner({"text": "leo"})).json()


async def test_live_times_decide_after_some_answers(service: Service) -> None:
    """What answers slowly is left for what is not known to be slow."""
    with service.runtimes.slow(0.06):
        for _ in range(20):
            await service.ner({"text": "leo Nairobi"}, "dense")
    answer = (await ask(service, max_latency_ms=50)).json()
    assert answer["variant"] != "dense"
    dense = answer["choice"]["considered"][0]
    assert (dense["measured"], dense["answers"], dense["fits"]) == ("live", 20, False)
    assert dense["latency_ms"] > 60


async def test_comparisons_say_nothing_of_a_variant_asked_alone(service: Service) -> None:
    with service.runtimes.slow(0.03):
        for _ in range(20):
            await service.request("POST", "/compare", json={"text": "leo Nairobi"})
    considered = (await ask(service)).json()["choice"]["considered"]
    assert {(variant["measured"], variant["answers"]) for variant in considered} == {("warm-up", 0)}


async def test_requests_out_of_time_count_as_slow(services: Services, service: Service) -> None:
    hurried = services.make(service.engine.pool, service.runtimes, timeout_seconds=0.05)
    with hurried.runtimes.slow(0.1):
        for _ in range(20):
            assert_refused(await hurried.ner({"text": "leo Nairobi"}, "dense"), 504, "timeout")
    p95, answers = hurried.engine.latencies.p95_ms("dense", len("leo Nairobi"))
    assert answers == 20
    assert p95 is not None
    assert p95 >= 45


@pytest.mark.parametrize("query", [{"min_f1": 0.9}, {"max_latency_ms": 1e-6}, {"min_f1": 0.71, "max_latency_ms": 1e6}])
async def test_an_impossible_wish(service: Service, query: dict[str, float]) -> None:
    error = assert_refused(await ask(service, **query), 422, "impossible_wish")
    assert error["details"]["nearest"]["variant"] in VARIANTS
    assert error["details"]["nearest"]["variant"] in error["message"]
    assert len(error["details"]["considered"]) == len(VARIANTS)


@pytest.mark.parametrize(
    "query",
    [
        {"min_f1": "much"},
        {"min_f1": 1.1},
        {"min_f1": -0.1},
        {"min_f1": "nan"},
        {"max_latency_ms": 0},
        {"max_latency_ms": -5},
        {"max_latency_ms": "inf"},
        {"max_latency_ms": ""},
    ],
)
async def test_nonsense(service: Service, query: dict[str, Any]) -> None:
    (name,) = query
    assert name in assert_refused(await ask(service, **query), 422, "invalid_request")["message"]


@pytest.mark.parametrize("query", [{"min_f1": 0.5}, {"max_latency_ms": 5}])
async def test_a_wish_needs_auto(service: Service, query: dict[str, float]) -> None:
    response = await service.request("POST", "/ner", json={"text": "leo"}, params={"variant": "dense", **query})
    assert "variant=auto" in assert_refused(response, 422, "invalid_request")["message"]
