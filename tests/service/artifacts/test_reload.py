"""New artefacts are taken while requests are answered."""

import asyncio
import fcntl
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from service.artifacts.building import LOCK, WORKSPACE
from service.artifacts.manifest import read_manifest
from service.artifacts.pool import VariantPool
from tests.fakes import FakeRuntimes, Gate, write_artifacts
from tests.service.conftest import Service, Services
from tests.service.http.shapes import assert_refused
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

BODY = {"text": "Nairobi"}


@pytest.fixture
def folder(tokenizer: Path, tmp_path: Path) -> Path:
    return write_artifacts(tmp_path / "artifacts", tokenizer)


@pytest.fixture
def reloading(services: Services, folder: Path) -> Service:
    runtimes = FakeRuntimes()
    pool = VariantPool(folder, 1, runtimes)
    pool.load()
    return services.make(pool, runtimes)


def rebuild(folder: Path, tokenizer: Path, content: bytes, variant: str = "dense") -> str:
    """Publish the variant with other weights, as a build does, and return its digest."""

    def change(staging: Path) -> None:
        (staging / "model.onnx").write_bytes(content)

    write_artifacts(folder, tokenizer, [variant], change)
    return read_manifest(folder / variant).digest


async def variant(service: Service, name: str = "dense") -> dict[str, Any]:
    return next(entry for entry in (await service.get("/variants")).json() if entry["name"] == name)


async def digest_that_answers(service: Service, name: str = "dense") -> str:
    response = await service.ner(BODY, name)
    assert response.status_code == 200
    return response.headers["x-artifact-digest"]


async def test_a_new_artefact_serves_after_a_refresh(reloading: Service, folder: Path, tokenizer: Path) -> None:
    old = await digest_that_answers(reloading)
    assert old == (await variant(reloading))["digest"]
    new = rebuild(folder, tokenizer, b"new weights")
    assert await digest_that_answers(reloading) == old
    reloading.engine.pool.refresh()
    assert await digest_that_answers(reloading) == new != old
    entry = await variant(reloading)
    assert (entry["digest"], entry["status"], entry["reason"]) == (new, "ready", None)


async def test_what_has_not_changed_is_not_loaded_again(reloading: Service, folder: Path, tokenizer: Path) -> None:
    before = {slot.variant.name: slot.pipeline for slot in reloading.engine.pool}
    reloading.engine.pool.refresh()
    reloading.engine.pool.refresh(everything=True)
    rebuild(folder, tokenizer, b"new weights", "int8")
    reloading.engine.pool.refresh()
    after = {slot.variant.name: slot.pipeline for slot in reloading.engine.pool}
    assert [name for name in before if before[name] is not after[name]] == ["int8"]


async def test_another_way_to_read_the_same_files_is_taken(reloading: Service, folder: Path) -> None:
    before = reloading.engine.pool.get("dense")
    manifest = read_manifest(folder / "dense")
    changed = manifest.model_copy(update={"overlap": manifest.overlap + 1})
    (folder / "dense" / "manifest.json").write_text(changed.model_dump_json())
    reloading.engine.pool.refresh()
    assert reloading.engine.pool.get("dense") is not before
    assert (await variant(reloading))["status"] == "ready"


def truncate(folder: Path) -> None:
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])


def flip_a_bit_quietly(folder: Path) -> None:
    model = folder / "model.onnx"
    with model.open("r+b") as file:
        byte = file.read(1)[0]
        file.seek(0)
        file.write(bytes([byte ^ 1]))


def remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.mark.parametrize(
    ("damage", "named"),
    [(truncate, "dense/model.onnx"), (flip_a_bit_quietly, "dense/model.onnx"), (remove, "dense/manifest.json")],
)
async def test_an_artefact_that_cannot_be_served_leaves_the_old_one_serving(
    reloading: Service, folder: Path, tokenizer: Path, damage: Callable[[Path], None], named: str
) -> None:
    old = await digest_that_answers(reloading)
    damage(folder / "dense")
    reloading.engine.pool.refresh()
    assert await digest_that_answers(reloading) == old
    entry = await variant(reloading)
    assert (entry["status"], entry["digest"]) == ("ready", old)
    assert entry["reason"].startswith(f"still serving {old[:12]}, because its replacement failed: {named}")
    assert 'kidogo_variant_stale{variant="dense"} 1.0' in (await reloading.get("/metrics")).text
    mended = rebuild(folder, tokenizer, b"mended")
    reloading.engine.pool.refresh()
    assert await digest_that_answers(reloading) == mended
    assert (await variant(reloading))["reason"] is None
    assert 'kidogo_variant_stale{variant="dense"} 0.0' in (await reloading.get("/metrics")).text


async def test_a_variant_that_fails_to_load_leaves_the_old_one_serving(
    reloading: Service, folder: Path, tokenizer: Path
) -> None:
    old = await digest_that_answers(reloading)
    rebuild(folder, tokenizer, b"new weights")
    reloading.runtimes.load_errors["dense"] = RuntimeError("no such operator")
    reloading.engine.pool.refresh()
    assert await digest_that_answers(reloading) == old
    assert "see the server's log" in (await variant(reloading))["reason"]


async def test_what_failed_for_a_moment_is_tried_again(reloading: Service, folder: Path, tokenizer: Path) -> None:
    new = rebuild(folder, tokenizer, b"new weights")
    reloading.runtimes.load_errors["dense"] = MemoryError()
    reloading.engine.pool.refresh()
    assert await digest_that_answers(reloading) != new
    reloading.runtimes.load_errors.clear()
    reloading.engine.pool.refresh()
    assert await digest_that_answers(reloading) == new
    assert (await variant(reloading))["reason"] is None


async def test_a_folder_that_vanishes_while_it_is_listed_leaves_the_old_one_serving(
    reloading: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await digest_that_answers(reloading)

    def vanish(path: Path, pattern: str) -> Iterator[Path]:
        raise FileNotFoundError(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rglob", vanish)
        reloading.engine.pool.refresh()
    assert await digest_that_answers(reloading) == old
    reloading.engine.pool.refresh()
    assert (await variant(reloading))["reason"] is None


async def test_a_look_that_fails_is_logged_and_not_the_last(
    folder: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pool = VariantPool(folder, 1, FakeRuntimes())
    pool.start()
    assert eventually(lambda: pool.settled)
    with monkeypatch.context() as patch:
        patch.setattr("service.artifacts.pool._freeze", Mock(side_effect=OSError("odd")))
        pool.ask_refresh()
        assert eventually(lambda: "checking for new artefacts failed" in caplog.text)
    new = rebuild(folder, tokenizer, b"newer weights")
    pool.ask_refresh()
    assert eventually(lambda: pool.get("dense").digest == new)


async def test_a_variant_that_was_not_there_is_taken_when_it_comes(
    services: Services, tokenizer: Path, tmp_path: Path
) -> None:
    runtimes = FakeRuntimes()
    pool = VariantPool(tmp_path / "artifacts", 1, runtimes)
    pool.load()
    service = services.make(pool, runtimes)
    assert_refused(await service.ner(BODY), 503, "variant_not_ready")
    write_artifacts(tmp_path / "artifacts", tokenizer, ["dense"])
    pool.refresh()
    assert (await service.ner(BODY)).status_code == 200


async def test_a_request_in_flight_ends_on_what_it_began_with(
    reloading: Service, folder: Path, tokenizer: Path
) -> None:
    old = await digest_that_answers(reloading)
    with reloading.runtimes.blocked() as gate:
        in_flight = asyncio.ensure_future(reloading.ner(BODY))
        await asyncio.to_thread(gate.reached.wait, 10)
        reloading.runtimes.gate = None  # The new one is not held up.
        new = rebuild(folder, tokenizer, b"new weights")
        await asyncio.to_thread(reloading.engine.pool.refresh)
        assert (await variant(reloading))["digest"] == new
        gate.open()
        assert (await in_flight).headers["x-artifact-digest"] == old
    assert await digest_that_answers(reloading) == new


async def test_requests_are_answered_while_a_new_one_loads(reloading: Service, folder: Path, tokenizer: Path) -> None:
    old = await digest_that_answers(reloading)
    new = rebuild(folder, tokenizer, b"new weights")
    gate = reloading.runtimes.load_gates["dense"] = Gate()
    refreshing = threading.Thread(target=reloading.engine.pool.refresh)
    refreshing.start()
    try:
        assert await asyncio.to_thread(gate.reached.wait, 10)
        assert await digest_that_answers(reloading) == old
        assert (await reloading.get("/readyz")).status_code == 200
    finally:
        gate.open()
        await asyncio.to_thread(refreshing.join)
    assert await digest_that_answers(reloading) == new


async def test_what_was_replaced_is_freed_even_from_cycles(reloading: Service, folder: Path, tokenizer: Path) -> None:
    pool = reloading.engine.pool
    freed = []
    for number in range(5):
        runtime: Any = pool.get("dense").runtime
        runtime.itself = runtime
        # So that it is frozen as part of a cycle, as torch's models are.
        gc.freeze()
        freed.append(weakref.ref(runtime))
        del runtime
        rebuild(folder, tokenizer, f"weights {number}".encode())
        pool.refresh()
    assert [reference() for reference in freed] == [None] * 5


async def test_a_package_that_is_not_installed_is_named(services: Services, tokenizer: Path, tmp_path: Path) -> None:
    folder = write_artifacts(tmp_path / "artifacts", tokenizer)
    runtimes = FakeRuntimes(load_errors={"int8": ModuleNotFoundError("No module named 'torch'", name="torch")})
    pool = VariantPool(folder, 1, runtimes)
    pool.load()
    service = services.make(pool, runtimes)
    entry = await variant(service, "int8")
    assert (entry["status"], entry["reason"]) == (
        "failed",
        "int8 needs the package torch, which is not installed here: pip install 'kidogo[int8]'",
    )
    assert_refused(await service.ner(BODY, "int8"), 503, "variant_not_ready")
    assert (await service.get("/readyz")).status_code == 200


@pytest.fixture
def unbuilt(services: Services, tokenizer: Path, tmp_path: Path) -> tuple[Path, VariantPool, Service]:
    """A folder with dense alone, and a service that has not loaded it yet."""
    folder = write_artifacts(tmp_path / "artifacts", tokenizer, ["dense"])
    runtimes = FakeRuntimes()
    pool = VariantPool(folder, 1, runtimes)
    return folder, pool, services.make(pool, runtimes)


async def test_variants_of_a_build_that_begins_later_are_loading_too(
    unbuilt: tuple[Path, VariantPool, Service],
) -> None:
    folder, pool, service = unbuilt
    pool.load()
    assert (await variant(service, "pruned"))["status"] == "failed"
    (folder / WORKSPACE).mkdir()
    with (folder / WORKSPACE / LOCK).open("w") as build:
        fcntl.flock(build, fcntl.LOCK_EX)
        pool.refresh()
        assert (await variant(service, "pruned"))["status"] == "loading"
    pool.refresh()
    assert (await variant(service, "pruned"))["status"] == "failed"


async def test_times_of_an_artefact_that_was_replaced_are_forgotten(
    unbuilt: tuple[Path, VariantPool, Service], tokenizer: Path
) -> None:
    folder, pool, service = unbuilt
    pool.load()
    for _ in range(5):
        await digest_that_answers(service)
    assert (await variant(service, "dense"))["inference_ms"] is not None
    write_artifacts(folder, tokenizer, ["dense"], lambda staging: bool((staging / "model.onnx").write_bytes(b"new")))
    pool.refresh()
    assert (await variant(service, "dense"))["inference_ms"] is None
    await digest_that_answers(service)
    assert (await variant(service, "dense"))["inference_ms"] is None, "one answer is too few"


async def test_variants_of_a_running_build_are_loading_until_it_ends(
    unbuilt: tuple[Path, VariantPool, Service], tokenizer: Path
) -> None:
    folder, pool, service = unbuilt
    (folder / WORKSPACE).mkdir()
    with (folder / WORKSPACE / LOCK).open("w") as build:
        fcntl.flock(build, fcntl.LOCK_EX)
        pool.load()
        assert (await service.get("/readyz")).status_code == 200
        await digest_that_answers(service)
        pool.refresh()
        entry = await variant(service, "pruned")
        assert (entry["status"], entry["reason"]) == ("loading", "pruned is being built")
        refused = await service.ner(BODY, "pruned")
        assert_refused(refused, 503, "variant_not_ready")
        assert refused.headers["retry-after"] == "5"
        write_artifacts(folder, tokenizer, ["dynamic"])
        pool.refresh()
        await digest_that_answers(service, "dynamic")
    pool.refresh()
    entry = await variant(service, "pruned")
    assert entry["status"] == "failed"
    assert "build this variant" in entry["reason"]
    await digest_that_answers(service, "dynamic")
