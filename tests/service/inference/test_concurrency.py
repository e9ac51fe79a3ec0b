"""What is in flight together: each request gets its own variant's answer, the same as alone."""

import asyncio
import random
from typing import Any

import pytest

from service.variants import VARIANTS
from tests.fakes import LABEL_OF_VARIANT, TEXTS
from tests.service.conftest import Service, Services

pytestmark = pytest.mark.anyio


async def results(service: Service, body: object, variant: str) -> list[dict[str, Any]]:
    response = await service.ner(body, variant)
    assert response.status_code == 200, response.text
    assert response.json()["variant"] == variant
    answers: list[dict[str, Any]] = response.json()["results"]
    return answers


async def test_each_of_100_mixed_requests_gets_its_own_answer(services: Services, service: Service) -> None:
    service = services.make(service.engine.pool, service.runtimes, max_in_flight=100, slots=3)
    order = random.Random(1)
    asked = [(order.choice(list(VARIANTS)), f"{order.choice(TEXTS)} Mji{number}") for number in range(100)]
    assert {variant for variant, _ in asked} == set(VARIANTS)
    answers = await asyncio.gather(*(results(service, {"text": text}, variant) for variant, text in asked))
    for (variant, text), (result,) in zip(asked, answers, strict=True):
        assert {entity["label"] for entity in result["entities"]} == {LABEL_OF_VARIANT[variant]}
        assert result["entities"][-1]["end"] == len(text)
        assert all(text[entity["start"] : entity["end"]] == entity["text"] for entity in result["entities"])


async def test_an_answer_does_not_depend_on_company(service: Service) -> None:
    text = TEXTS[0]
    alone = await results(service, {"text": text}, "dense")
    company = [*TEXTS * 5, "Nairobi " * 500]
    batch = await results(service, {"texts": [*company, text]}, "dense")
    assert len(batch) == 32
    assert batch[-1] == alone[0]
    among_others = await asyncio.gather(
        results(service, {"texts": company}, "int8"),
        results(service, {"text": text}, "dense"),
        *(results(service, {"text": other}, "dense") for other in company),
    )
    assert among_others[1] == alone


async def test_a_short_request_does_not_wait_for_a_long_one(service: Service) -> None:
    with service.runtimes.slow(0.02):
        long = asyncio.create_task(results(service, {"texts": ["leo " * 500] * 32}, "dense"))
        await asyncio.sleep(0.1)
        await results(service, {"text": "Nairobi"}, "dense")
        assert not long.done()
    await long
