"""GET /variants, the probes, and variants that are loading or failed: the row 503 of the contract."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from service.artifacts.manifest import read_manifest, replace_folder
from service.artifacts.pool import VariantPool
from service.variants import VARIANTS, Runtime
from tests.fakes import LABELS, FakeRuntime, FakeRuntimes, Gate, write_artifacts
from tests.service.conftest import Service, Services
from tests.service.http.shapes import INTERNALS, assert_refused

pytestmark = pytest.mark.anyio

FIELDS = [
    "name", "technique", "runtime", "status", "reason", "default", "reference", "parameters", "nonzero_parameters",
    "sparsity", "artifact_bytes", "resident_bytes", "inference_ms", "labels", "languages", "metrics", "base_model",
    "recipe", "digest", "built_at",
]  # fmt: skip

BODY = {"text": "Nairobi"}


def load(services: Services, artifacts: Path, runtimes: FakeRuntimes | None = None) -> Service:
    runtimes = runtimes or FakeRuntimes()
    pool = VariantPool(artifacts, 1, runtimes)
    pool.load()
    return services.make(pool, runtimes)


async def test_ready_variants(service: Service, artifacts: Path) -> None:
    variants = (await service.get("/variants")).json()
    assert [variant["name"] for variant in variants] == list(VARIANTS)
    assert [variant["name"] for variant in variants if variant["default"]] == ["dense"]
    for variant in variants:
        folder = artifacts / variant["name"]
        assert list(variant) == FIELDS
        assert (variant["status"], variant["reason"]) == ("ready", None)
        assert variant["technique"] == VARIANTS[variant["name"]].technique
        assert variant["runtime"] == VARIANTS[variant["name"]].runtime
        assert (variant["parameters"], variant["nonzero_parameters"], variant["sparsity"]) == (1000, 400, 0.6)
        assert variant["artifact_bytes"] == sum(
            path.stat().st_size for path in folder.iterdir() if path.name != "manifest.json"
        )
        assert variant["resident_bytes"] >= 0
        assert variant["labels"] == LABELS
        assert variant["languages"] == ["hau", "swa"]
        assert variant["metrics"]["data"] == "sample"
        assert variant["metrics"]["data_digest"] == "1" * 64
        assert variant["metrics"]["test"]["f1"] == 0.7
        assert variant["metrics"]["test"]["languages"] == {"hau": 0.75, "swa": 0.65}
        assert variant["base_model"] == "fake"
        assert variant["recipe"] == {"name": variant["name"], "parameters": {"epochs": 1}, "seed": 1}
        assert variant["digest"] == json.loads((folder / "manifest.json").read_text())["digest"]
        assert variant["built_at"] == "2026-01-02T03:04:05Z"


async def test_the_median_time_is_told_from_the_fifth_answer_on(services: Services, service: Service) -> None:
    new = services.make(service.engine.pool, service.runtimes)

    async def medians() -> dict[str, float | None]:
        return {variant["name"]: variant["inference_ms"] for variant in (await new.get("/variants")).json()}

    answers = []
    for _ in range(5):
        assert set((await medians()).values()) == {None}
        answers.append((await new.ner(BODY, "pruned")).json()["timing"]["inference_ms"])
    assert await medians() == {**dict.fromkeys(VARIANTS), "pruned": pytest.approx(sorted(answers)[2], abs=0.001)}


async def test_loading_variants(services: Services, artifacts: Path) -> None:
    gate = Gate()
    runtimes = FakeRuntimes(load_gates={"pruned": gate})
    pool = VariantPool(artifacts, 1, runtimes)
    service = services.make(pool, runtimes)
    loading = threading.Thread(target=pool.load)
    loading.start()
    try:
        assert await asyncio.to_thread(gate.reached.wait, 10)
        states = {variant["name"]: variant for variant in (await service.get("/variants")).json()}
        assert [state["status"] for state in states.values()] == ["ready"] + ["loading"] * (len(VARIANTS) - 1)
        assert list(states["pruned"]) == FIELDS
        response = await service.ner(BODY, "pruned")
        error = assert_refused(response, 503, "variant_not_ready")
        assert error["details"] == {"variant": "pruned", "status": "loading", "reason": None}
        assert "loading" in error["message"]
        assert int(response.headers["retry-after"]) >= 1
        assert (await service.ner(BODY, "dense")).json()["variant"] == "dense"
        not_ready = await service.get("/readyz")
        error = assert_refused(not_ready, 503, "variant_not_ready")
        assert error["details"]["variants"]["pruned"] == "loading"
        assert int(not_ready.headers["retry-after"]) >= 1
        assert (await service.get("/livez")).json() == {"status": "live"}
    finally:
        gate.open()
        loading.join()
    assert (await service.get("/readyz")).json() == {"status": "ready"}
    assert (await service.ner(BODY, "pruned")).json()["variant"] == "pruned"


def truncate(folder: Path) -> None:
    weights = folder / "model.onnx"
    weights.write_bytes(weights.read_bytes()[:-1])


def flip_a_bit(folder: Path) -> None:
    weights = folder / "model.onnx"
    content = bytearray(weights.read_bytes())
    content[100] ^= 1
    weights.write_bytes(content)


def remove_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def remove_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def break_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"variant":')


def edit_manifest(folder: Path, **fields: object) -> None:
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | fields))


def add_unknown_field(folder: Path) -> None:
    edit_manifest(folder, surprise=1)


def change_digest(folder: Path) -> None:
    edit_manifest(folder, digest="3" * 64)


def record_a_file_outside(folder: Path) -> None:
    edit_manifest(folder, files={"../../outside": {"bytes": 1, "sha256": "0" * 64}})


def claim_another_variant(folder: Path) -> None:
    edit_manifest(folder, variant="dense")


def remove_all(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (truncate, "distilled/model.onnx"),
        (flip_a_bit, "distilled/model.onnx"),
        (remove_tokenizer, "distilled/tokenizer.json"),
        (remove_manifest, "distilled/manifest.json"),
        (remove_all, "distilled/manifest.json"),
        (break_manifest, "distilled/manifest.json"),
        (add_unknown_field, "distilled/manifest.json"),
        (change_digest, "distilled/manifest.json"),
        (record_a_file_outside, "distilled/manifest.json"),
        (claim_another_variant, "distilled"),
    ],
)
async def test_a_damaged_artefact_fails_alone(
    services: Services, tokenizer: Path, tmp_path: Path, damage: Callable[[Path], None], named: str
) -> None:
    artifacts = write_artifacts(tmp_path / "artifacts", tokenizer)
    damage(artifacts / "distilled")
    service = load(services, artifacts)
    states = {variant["name"]: variant for variant in (await service.get("/variants")).json()}
    failed = states.pop("distilled")
    assert list(failed) == FIELDS
    assert failed["status"] == "failed"
    assert failed["reason"].startswith(named)
    assert not INTERNALS.search(failed["reason"])
    assert {state["status"] for state in states.values()} == {"ready"}
    response = await service.ner(BODY, "distilled")
    error = assert_refused(response, 503, "variant_not_ready")
    assert error["details"] == {"variant": "distilled", "status": "failed", "reason": failed["reason"]}
    assert failed["reason"] in error["message"]
    assert int(response.headers["retry-after"]) >= 1
    for name in states:
        assert (await service.ner(BODY, name)).json()["variant"] == name
    assert (await service.get("/readyz")).status_code == 200


async def test_an_artefact_built_again_while_it_loads_is_loaded_again(
    services: Services, tokenizer: Path, tmp_path: Path
) -> None:
    artifacts = write_artifacts(tmp_path / "artifacts", tokenizer, ["dense"])
    write_artifacts(tmp_path / "newer", tokenizer, ["dense"], change=flip_a_bit)
    newer = tmp_path / "newer" / "dense"

    class RebuiltMeanwhile(FakeRuntimes):
        def __call__(self, name: Runtime, folder: Path, threads: int) -> FakeRuntime:
            if newer.exists():
                replace_folder(newer, folder)
            return super().__call__(name, folder, threads)

    service = load(services, artifacts, RebuiltMeanwhile())
    dense = (await service.get("/variants")).json()[0]
    assert dense["status"] == "ready"
    assert dense["digest"] == read_manifest(artifacts / "dense").digest


def empty_the_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


async def test_what_cannot_be_loaded_is_explained_in_the_log(
    services: Services, tokenizer: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_artifacts(tmp_path, tokenizer, ["dense", "pruned"])
    write_artifacts(tmp_path, tokenizer, ["int8"], change=empty_the_tokenizer)
    service = load(services, tmp_path, FakeRuntimes(load_errors={"pruned": RuntimeError("no such operator")}))
    assert "no such operator" in caplog.text
    for name in ("pruned", "int8"):
        error = assert_refused(await service.ner(BODY, name), 503, "variant_not_ready")
        assert error["details"]["reason"] == f"{name} could not be loaded; see the server's log"
    assert (await service.ner(BODY)).status_code == 200


async def test_nothing_is_ready_where_nothing_was_built(services: Services, tmp_path: Path) -> None:
    service = load(services, tmp_path / "nowhere")
    error = assert_refused(await service.get("/readyz"), 503, "variant_not_ready")
    assert error["details"] == {"variants": dict.fromkeys(VARIANTS, "failed")}
    assert "python -m build_models" in assert_refused(await service.ner(BODY), 503, "variant_not_ready")["message"]
    assert len((await service.get("/variants")).json()) == len(VARIANTS)


async def test_agreement_is_told_from_f1_and_from_nothing_measured(services: Services, artifacts: Path) -> None:
    content = json.loads((artifacts / "dynamic" / "manifest.json").read_text(encoding="utf-8"))
    for name, changes in (
        ("dynamic", {"metrics": {}, "agreement": {"test": content["metrics"]["test"]}}),
        ("int8", {"metrics": {}, "data": None}),
    ):
        path = artifacts / name / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    service = load(services, artifacts)
    variants = {variant["name"]: variant for variant in (await service.get("/variants")).json()}
    assert (variants["dynamic"]["metrics"]["test"], variants["dynamic"]["metrics"]["agreement"]["f1"]) == (None, 0.7)
    assert variants["dense"]["metrics"]["agreement"] is None
    assert variants["int8"]["metrics"] is None


async def test_a_pointer_in_place_of_weights_is_called_so(services: Services, tokenizer: Path, tmp_path: Path) -> None:
    write_artifacts(tmp_path, tokenizer, ["dense", "dynamic"])
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 443000000\n"
    (tmp_path / "dynamic" / "model.onnx").write_text(pointer, encoding="ascii")
    service = load(services, tmp_path)
    reasons = {variant["name"]: variant["reason"] for variant in (await service.get("/variants")).json()}
    assert reasons["dense"] is None
    assert reasons["dynamic"].startswith("dynamic/model.onnx is a Git LFS pointer, not the file itself: run git lfs")
    assert_refused(await service.ner(BODY, "dynamic"), 503, "variant_not_ready")


async def test_weights_that_are_no_numbers_are_called_so(
    services: Services,
    tokenizer: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_artifacts(tmp_path, tokenizer, ["dense"])
    logits = FakeRuntime.logits
    monkeypatch.setattr(FakeRuntime, "logits", lambda *arguments: logits(*arguments) * float("nan"))
    service = load(services, tmp_path)
    (reason,) = (variant["reason"] for variant in (await service.get("/variants")).json() if variant["default"])
    assert reason.startswith("dense: the model answers NaN or infinity")
    assert "Traceback" not in caplog.text
    error = assert_refused(await service.ner(BODY), 503, "variant_not_ready")
    assert "NaN" in error["message"]
