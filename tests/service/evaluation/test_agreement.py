"""Agreement on real traffic, as Prometheus metrics."""

import asyncio
import logging
from typing import Any

import pytest

from tests.service.conftest import Service, Services

pytestmark = pytest.mark.anyio

SECRET = "Kigali"


async def agreement(service: Service) -> dict[str, float]:
    """The samples of the metrics that are not zero, in short: ``documents dense pruned same``."""
    found = {}
    for family in service.engine.metrics.registry.collect():
        for sample in family.samples:
            if sample.name.startswith("kidogo_agreement") and sample.name.endswith("_total") and sample.value:
                name = sample.name.removeprefix("kidogo_agreement_").removesuffix("_total")
                found[" ".join([name, *sample.labels.values()])] = sample.value
    return found


async def read_again(service: Service, samples: int) -> dict[str, float]:
    for _ in range(200):
        if len(found := await agreement(service)) >= samples:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(await agreement(service))


def with_agreement(services: Services, service: Service, **settings: Any) -> Service:
    return services.make(service.engine.pool, service.runtimes, agreement_share=1.0, **settings)


async def test_it_is_off_by_default(service: Service) -> None:
    await service.ner({"text": SECRET})
    await asyncio.sleep(0.1)
    assert await agreement(service) == {}


async def test_a_pair_is_counted(services: Services, service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service = with_agreement(services, service, agreement_variant="int8")
    await service.ner({"texts": [f"{SECRET} leo Nairobi", "leo"]})
    assert await read_again(service, 4) == {
        "documents dense int8 different": 1,
        "documents dense int8 same": 1,
        "entities dense int8 first": 2,
        "entities dense int8 second": 2,
    }
    assert SECRET not in caplog.text
    assert SECRET not in (await service.get("/metrics")).text


async def test_any_other_variant_is_taken_by_default(services: Services, service: Service) -> None:
    service = with_agreement(services, service)
    for number in range(1, 30):
        await service.ner({"text": "leo"}, "pruned")
        while sum((await agreement(service)).values()) < number:
            await asyncio.sleep(0.005)
    pairs = {tuple(name.split()[1:3]) for name in await agreement(service)}
    assert {first for first, _ in pairs} == {"pruned"}
    assert len(pairs) > 1
    assert ("pruned", "pruned") not in pairs


async def test_a_variant_is_not_compared_with_itself(services: Services, service: Service) -> None:
    service = with_agreement(services, service, agreement_variant="dense")
    await service.ner({"text": "Nairobi"}, "dense")
    await asyncio.sleep(0.1)
    assert await agreement(service) == {}


async def test_without_time_nothing_is_read_again(services: Services, service: Service) -> None:
    service = with_agreement(services, service)
    with service.runtimes.slow(0.02):
        await asyncio.gather(*(service.ner({"text": "Nairobi"}) for _ in range(10)))
        assert (await read_again(service, 1))["skipped"] >= 5


async def test_a_fault_of_the_second_variant_is_nobody_s_answer(services: Services, service: Service) -> None:
    service = with_agreement(services, service)
    answer = asyncio.create_task(service.ner({"text": "Nairobi"}))
    assert (await answer).status_code == 200
    with service.runtimes.failing(RuntimeError("broken")):
        await asyncio.sleep(0.2)
    assert (await service.ner({"text": "Nairobi"})).status_code == 200
