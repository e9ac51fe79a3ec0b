"""POST /compare."""

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from service.artifacts.pool import VariantPool
from service.evaluation.comparison import differences
from service.schemas.ner import EntityAnswer
from service.variants import VARIANTS
from tests.fakes import LABEL_OF_VARIANT, FakeRuntimes, Gate
from tests.service.conftest import Service, Services
from tests.service.http.servers import served
from tests.service.http.shapes import assert_refused
from tests.service.http.streams import events

pytestmark = pytest.mark.anyio

TEXT = "leo 👩🏾‍⚕️ William Ruto yuko Nairobi"


async def compare(service: Service, body: object) -> Any:
    response = await service.request("POST", "/compare", json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_every_variant_answers_and_is_compared(service: Service) -> None:
    answer = await compare(service, {"text": TEXT})
    assert (answer["reference"], answer["not_ready"]) == ("dense", [])
    assert [entry["variant"] for entry in answer["variants"]] == list(VARIANTS)
    for entry in answer["variants"]:
        assert {entity["label"] for entity in entry["entities"]} == {LABEL_OF_VARIANT[entry["variant"]]}
        assert all(TEXT[entity["start"] : entity["end"]] == entity["text"] for entity in entry["entities"])
        assert entry["timing"]["inference_ms"] > 0
    dense, pruned, *_ = answer["variants"]
    assert dense["difference"] == {"missing": [], "extra": [], "relabelled": []}
    assert (pruned["difference"]["missing"], pruned["difference"]["extra"]) == ([], [])
    relabelled = [
        (item["entity"]["text"], item["entity"]["label"], item["reference_label"])
        for item in pruned["difference"]["relabelled"]
    ]
    assert relabelled == [("William Ruto", "LOC", "PER"), ("Nairobi", "LOC", "PER")]


def without(services: Services, artifacts: Path, tmp_path: Path, missing: str) -> Service:
    """A service with every artefact but one."""
    shutil.copytree(artifacts, tmp_path / "some")
    shutil.rmtree(tmp_path / "some" / missing)
    runtimes = FakeRuntimes()
    pool = VariantPool(tmp_path / "some", 1, runtimes)
    pool.load()
    return services.make(pool, runtimes)


async def test_a_variant_that_is_not_ready_is_named(services: Services, artifacts: Path, tmp_path: Path) -> None:
    answer = await compare(without(services, artifacts, tmp_path, "int8"), {"text": TEXT})
    assert [entry["variant"] for entry in answer["variants"]] == [name for name in VARIANTS if name != "int8"]
    (missing,) = answer["not_ready"]
    assert (missing["variant"], missing["status"]) == ("int8", "failed")
    assert "int8/manifest.json is missing" in missing["reason"]


async def test_without_the_reference_nothing_is_compared(services: Services, artifacts: Path, tmp_path: Path) -> None:
    answer = await compare(without(services, artifacts, tmp_path, "dense"), {"text": TEXT})
    assert len(answer["variants"]) == len(VARIANTS) - 1
    assert {str(entry["difference"]) for entry in answer["variants"]} == {"None"}


async def test_nothing_is_ready(services: Services, tmp_path: Path) -> None:
    runtimes = FakeRuntimes()
    pool = VariantPool(tmp_path, 1, runtimes)
    pool.load()
    service = services.make(pool, runtimes)
    assert_refused(await service.request("POST", "/compare", json={"text": TEXT}), 503, "variant_not_ready")


@pytest.mark.parametrize("body", [{}, {"text": None}, {"text": 1}, {"texts": ["a"]}, {"text": "a", "variant": "dense"}])
async def test_wrong_bodies(service: Service, body: object) -> None:
    assert_refused(await service.request("POST", "/compare", json=body), 422, "invalid_request")


async def test_limits_hold(services: Services, service: Service) -> None:
    small = services.make(service.engine.pool, service.runtimes, max_document_characters=10, max_in_flight=1)
    assert_refused(await small.request("POST", "/compare", json={"text": "Nairobi leo"}), 413, "too_large")
    with small.runtimes.blocked() as gate:
        first = asyncio.create_task(compare(small, {"text": "Nairobi"}))
        await asyncio.to_thread(gate.reached.wait, 20)
        assert_refused(await small.request("POST", "/compare", json={"text": "Nairobi"}), 429, "overloaded")
        gate.open()
        await first
    assert len((await compare(small, {"text": "Nairobi"}))["variants"]) == len(VARIANTS)


async def test_a_fault_frees_the_place(services: Services, service: Service) -> None:
    small = services.make(service.engine.pool, service.runtimes, max_in_flight=1)
    with small.runtimes.failing(RuntimeError("secret")):
        assert_refused(await small.request("POST", "/compare", json={"text": "Nairobi"}), 500, "internal")
    await compare(small, {"text": "Nairobi"})


async def test_one_variant_that_fails_leaves_the_others_answers(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(input_ids: Any) -> Any:
        raise RuntimeError("secret")

    monkeypatch.setattr(service.engine.pool.get("int8").runtime, "logits", broken)
    answer = await compare(service, {"text": TEXT})
    assert [entry["variant"] for entry in answer["variants"]] == [name for name in VARIANTS if name != "int8"]
    assert all(entry["difference"] for entry in answer["variants"])
    (failed,) = answer["failed"]
    assert (failed["variant"], failed["code"]) == ("int8", "internal")
    assert "secret" not in str(answer)
    assert [record.message.endswith("failed for int8") for record in caplog.records if record.exc_info] == [True]


async def test_the_log_does_not_give_one_variant_s_times_for_all(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await compare(service, {"text": TEXT})
    facts = vars(caplog.records[-1])
    assert facts["characters"] == len(TEXT)
    assert not {"digest", "pieces", "queue_ms", "inference_ms"} & set(facts)


def test_each_answer_is_sent_as_it_comes(services: Services, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the slowest variant is held up, the others' answers are there."""
    slow_to_warm_up(service.engine.pool, "dense", monkeypatch)
    gate = Gate()
    held = service.engine.pool.get("dense").runtime
    logits = held.logits

    def late(input_ids: Any) -> Any:
        gate.wait()
        return logits(input_ids)

    wide = services.make(service.engine.pool, service.runtimes)
    held.logits = late  # type: ignore[method-assign]
    try:
        with served(wide.front) as port:
            stream = events(port, "/compare", {"text": TEXT})
            early = [next(stream) for _ in range(len(VARIANTS) - 1)]
            assert {data["variant"] for _, data in early} == set(VARIANTS) - {"dense"}
            assert {data["difference"] for _, data in early} == {None}, "there is nothing to compare with yet"
            gate.open()
            *late_ones, (last, result) = stream
            assert last == "result"
            assert {data["variant"] for _, data in late_ones} == set(VARIANTS)
            assert all(data["difference"] for _, data in late_ones)
            assert len(result["variants"]) == len(VARIANTS)
    finally:
        gate.open()
        held.logits = logits  # type: ignore[method-assign]


async def test_one_variant_reads_after_the_other_however_many_could_at_once(
    services: Services, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fastest first, so that no time is that of two in each other's way."""
    slow_to_warm_up(service.engine.pool, "dynamic", monkeypatch)
    reading: list[str] = []
    order: list[str] = []

    def watched(name: str, logits: Any) -> Any:
        def watch(input_ids: Any) -> Any:
            reading.append(name)
            time.sleep(0.005)
            assert reading == [name]
            order.append(reading.pop())
            return logits(input_ids)

        return watch

    wide = services.make(service.engine.pool, service.runtimes, slots=4)
    for name in VARIANTS:
        runtime = service.engine.pool.get(name).runtime
        monkeypatch.setattr(runtime, "logits", watched(name, runtime.logits))
    began = time.perf_counter()
    answer = await compare(wide, {"text": TEXT})
    assert sorted(order) == sorted(VARIANTS)
    assert order[-1] == "dynamic"
    assert [one["variant"] for one in answer["variants"]] == list(VARIANTS)
    # Each variant's time is its own, without those before it: together they are no longer than the request.
    assert sum(one["timing"]["total_ms"] for one in answer["variants"]) <= 1000 * (time.perf_counter() - began)


async def test_the_time_limit_is_that_of_all_variants_together(
    services: Services, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_to_warm_up(service.engine.pool, "dense", monkeypatch)
    for name in VARIANTS:
        logits = service.engine.pool.get(name).runtime.logits
        monkeypatch.setattr(
            service.engine.pool.get(name).runtime,
            "logits",
            lambda input_ids, logits=logits: (time.sleep(0.4), logits(input_ids))[1],
        )
    # One reads in a third of it, all would need more than twice as long.
    short = services.make(service.engine.pool, service.runtimes, timeout_seconds=1.2)
    answer = await compare(short, {"text": TEXT})
    failed = {one["variant"]: one["code"] for one in answer["failed"]}
    assert 1 <= len(failed) < len(VARIANTS)
    assert set(failed.values()) == {"timeout"}
    assert "dense" in failed


async def test_a_comparison_holds_up_nobody_at_a_variant_that_has_answered(
    services: Services, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long documents that are at the slow variant: the others' queues are empty."""
    slow_to_warm_up(service.engine.pool, "int8", monkeypatch)
    service = services.make(service.engine.pool, service.runtimes, max_wait_seconds=0.05, slots=1)
    with service.runtimes.slow(0.01):
        for name in VARIANTS:
            await service.ner({"text": TEXT}, name)
    gate = Gate()
    held = service.engine.pool.get("int8").runtime
    logits = held.logits
    monkeypatch.setattr(held, "logits", lambda input_ids: (gate.wait(), logits(input_ids))[1])
    comparing = asyncio.create_task(service.request("POST", "/compare", json={"text": "leo " * 200}))
    try:
        await asyncio.to_thread(gate.reached.wait, 20)
        asked = asyncio.create_task(service.ner({"text": TEXT}, "dense"))
        # It is accepted, and waits for the one thread.
        await asyncio.wait((asked,), timeout=0.1)
        assert not asked.done()
    finally:
        gate.open()
    assert (await asked).status_code == 200
    assert (await comparing).status_code == 200


def slow_to_warm_up(pool: VariantPool, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for slot in pool:
        monkeypatch.setattr(slot, "warm_up_seconds", 9.0 if slot.variant.name == variant else 0.001)


def entity(label: str, start: int, end: int) -> EntityAnswer:
    return EntityAnswer(label=label, text="x" * (end - start), start=start, end=end, score=0.5)


def test_differences_by_hand() -> None:
    reference = [entity("PER", 0, 4), entity("LOC", 10, 14), entity("ORG", 20, 24), entity("LOC", 30, 34)]
    mine = [entity("PER", 0, 4), entity("ORG", 10, 14), entity("ORG", 20, 26)]
    difference = differences(mine, reference)
    assert difference.missing == [reference[2], reference[3]]
    assert difference.extra == [mine[2]]
    assert [(item.entity, item.reference_label) for item in difference.relabelled] == [(mine[1], "LOC")]
