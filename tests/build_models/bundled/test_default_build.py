"""The build that nothing is said to: the bundled model, compressed on the bundled sample."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from build_models.__main__ import cli
from build_models.build import BUNDLED_MODEL
from build_models.bundled.export import DIGESTS
from service.artifacts.building import WORKSPACE
from service.artifacts.manifest import Manifest, file_sha256, read_manifest

EMBEDDINGS = "roberta.embeddings.word_embeddings.weight"


@pytest.fixture(scope="module")
def default_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("default") / "artifacts"
    options = ["--languages", "swa,hau", "--sample-sentences", "200", "--variants", "dense,distilled"]
    result = CliRunner().invoke(cli, [*options, "--out", str(folder)])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def manifests(default_build: Path) -> dict[str, Manifest]:
    return {name: read_manifest(default_build / name) for name in ("dense", "distilled")}


def test_dense_is_the_bundled_model(default_build: Path, manifests: dict[str, Manifest]) -> None:
    dense = manifests["dense"]
    assert dense.base_model == dense.parent == "Kidogo's bundled model"
    assert dense.base_revision == file_sha256(BUNDLED_MODEL / DIGESTS)
    shipped, taken = (
        load_file(folder / "model.safetensors") for folder in (BUNDLED_MODEL, default_build / WORKSPACE / "model")
    )
    assert shipped.keys() == taken.keys()
    assert all(torch.equal(shipped[name].float(), taken[name]) for name in shipped)


def test_accuracy_is_measured_on_the_sample(manifests: dict[str, Manifest]) -> None:
    for manifest in manifests.values():
        assert manifest.data is not None
        assert manifest.data.name == "bundled sample (hau, swa)"
        assert manifest.metrics["test"].f1 > 0.6


def test_the_student_keeps_the_embeddings_and_learns_the_rest(default_build: Path) -> None:
    teacher, student = (
        load_file(default_build / WORKSPACE / stage / "model.safetensors") for stage in ("model", "distilled")
    )
    assert torch.equal(teacher[EMBEDDINGS], student[EMBEDDINGS])
    layer = "roberta.encoder.layer.0.output.dense.weight"
    assert not torch.equal(teacher[layer], student[layer])


def test_a_bundled_model_that_is_damaged_is_not_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "model"
    copy.mkdir()
    for path in BUNDLED_MODEL.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    monkeypatch.setattr("build_models.build.BUNDLED_MODEL", copy)
    result = CliRunner(env={"COLUMNS": "200"}).invoke(
        cli, ["--languages", "swa", "--sample-sentences", "10", "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 1
    assert "model.safetensors is damaged" in result.stderr
    assert not list((tmp_path / "out").glob("*/manifest.json"))


def test_the_bundled_model_as_a_base_learns_other_labels(tmp_path: Path) -> None:
    words = ["Rais", "Ruto", "alifika", "Nairobi", "."]
    rows = [f"{word} {label}" for word, label in zip(words, ["O", "B-PER", "O", "B-GPE", "O"], strict=True)]
    for split, count in (("train", 60), ("dev", 5), ("test", 5)):
        (tmp_path / f"{split}.conll").write_text("\n\n".join(["\n".join(rows)] * count), encoding="utf-8")
    out = tmp_path / "out"
    result = CliRunner().invoke(
        cli, ["--base", "bundled", "--data", str(tmp_path), "--variants", "dense", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    dense = read_manifest(out / "dense")
    assert dense.base_model == "Kidogo's bundled model"
    assert dense.base_revision == file_sha256(BUNDLED_MODEL / DIGESTS)
    assert dense.labels == ["O", "B-GPE", "I-GPE", "B-PER", "I-PER"]
    assert dense.recipe.parameters["finetune"]["matrix_learning_rate"] == 5e-3
    assert dense.metrics["test"].f1 == 1.0
