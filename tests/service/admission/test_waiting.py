"""Requests that would wait too long are refused, by what those before them take; and never because of a long text."""

import asyncio
from typing import Any

import pytest

from service.variants import VARIANTS
from tests.service.conftest import Service, Services

pytestmark = pytest.mark.anyio

SHORT = {"text": "Rais yuko Nairobi."}


async def answers(service: Service, count: int, variant: str, body: object = SHORT) -> list[Any]:
    return await asyncio.gather(*(service.ner(body, variant) for _ in range(count)))


async def test_who_would_wait_too_long_is_refused(services: Services, service: Service) -> None:
    service = services.make(service.engine.pool, service.runtimes, max_wait_seconds=0.75, slots=1)
    # Long enough that what other work on the machine adds to it matters little.
    with service.runtimes.slow(0.1):
        # These teach what a request takes; a single one may have been slowed down by other work.
        for _ in range(5):
            assert (await service.ner(SHORT, "dense")).status_code == 200
        responses = await answers(service, 30, "dense")
        refused = [response for response in responses if response.status_code == 429]
        accepted = [response.json() for response in responses if response.status_code == 200]
        assert 5 <= len(accepted) <= 10
        assert len(accepted) + len(refused) == 30
        assert all(answer["timing"]["queue_ms"] < 1250 for answer in accepted)
        error = refused[0].json()["error"]
        assert error["code"] == "overloaded"
        assert error["details"]["expected_wait_seconds"] > 0.75
        assert int(refused[0].headers["retry-after"]) >= 1
        assert (await service.ner(SHORT, "dense")).status_code == 200, "and then it answers as before"


async def test_a_slow_variant_s_queue_is_not_the_fast_one_s(services: Services, service: Service) -> None:
    service = services.make(service.engine.pool, service.runtimes, max_wait_seconds=0.15, slots=1)
    with service.runtimes.slow(0.02):
        for variant in ("dense", "int8"):
            await service.ner(SHORT, variant)
        queue = asyncio.create_task(answers(service, 30, "int8"))
        await asyncio.sleep(0.03)
        assert (await service.ner(SHORT, "dense")).status_code == 200
        assert {response.status_code for response in await queue} == {200, 429}


async def test_comparisons_wait_their_turn_too(services: Services, service: Service) -> None:
    service = services.make(service.engine.pool, service.runtimes, max_wait_seconds=0.2, slots=1)
    with service.runtimes.slow(0.02):
        # Seven variants of 20 ms are 140 ms for each; alone one is accepted, however long its document.
        for body in (SHORT, {"text": "leo " * 500}):
            assert (await service.request("POST", "/compare", json=body)).status_code == 200
        before = service.runtimes.calls
        comparisons = await asyncio.gather(
            *(service.request("POST", "/compare", json=SHORT) for _ in range(10)), service.ner(SHORT, "dense")
        )
        *compared, asked = [response.status_code for response in comparisons]
        assert 1 <= compared.count(200) <= 4
        assert compared.count(200) + compared.count(429) == 10
        # A refused comparison has taken no step, and who comes after them sees those that were accepted.
        assert service.runtimes.calls - before == len(VARIANTS) * compared.count(200) + (asked == 200)
        assert (await service.ner(SHORT, "dense")).status_code == 200


async def test_a_long_document_is_not_refused_for_its_length(services: Services, service: Service) -> None:
    service = services.make(service.engine.pool, service.runtimes, max_wait_seconds=0.2, slots=1)
    with service.runtimes.slow(0.02):
        await service.ner(SHORT, "dense")
        long = asyncio.create_task(service.ner({"text": "leo " * 500}, "dense"))
        await asyncio.sleep(0.05)
        # Neither is another for its own, nor a short one for that of the long ones.
        other = asyncio.create_task(service.ner({"text": "leo " * 500}, "dense"))
        assert (await service.ner(SHORT, "dense")).status_code == 200
        assert [(await answer).status_code for answer in (long, other)] == [200, 200]
