"""Models that protobuf cannot hold: weights beside the graph. Here the limit is low and the models are small."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from build_models.artifacts import export, onnx_files
from build_models.artifacts.onnx_files import copy, onnx_bytes, settle
from build_models.artifacts.scores import open_artifact
from build_models.artifacts.upload import hub_files
from build_models.build import build
from service.artifacts.manifest import ArtifactError, verify
from service.runtimes.onnx import OnnxRuntime
from tests.build_models.classifiers import write_classifier
from tests.build_models.recipes.test_given import settings_for

PIECES = np.arange(3, 40)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Variants of a model that counts as too large, but quantized fits in one file."""
    out = tmp_path_factory.mktemp("large")
    model = write_classifier(out / "given", hidden_size=64, num_hidden_layers=2)
    with pytest.MonkeyPatch.context() as patch:
        # Optimum puts weights beside the graph by itself only from 2 GB on.
        patch.setenv("FORCE_ONNX_EXTERNAL_DATA", "1")
        patch.setattr(onnx_files, "LARGEST", 3 * model.num_parameters())
        patch.setattr(export, "APART_FROM", 0)
        build(settings_for(out / "given", out), ["dense", "pruned", "dynamic"])
    return out


def test_weights_lie_beside_the_graph_and_the_manifest_lists_them(large: Path) -> None:
    dense, _ = open_artifact(large / "dense", 1)
    assert dense.files["model.onnx"].bytes < 500_000
    assert dense.files["model.onnx_data"].bytes > 3 * dense.parameters
    assert onnx_bytes(large / "dense" / "model.onnx") == sum(
        dense.files[name].bytes for name in ("model.onnx", "model.onnx_data")
    )
    dynamic, _ = open_artifact(large / "dynamic", 1)
    assert "model.onnx_data" not in dynamic.files


def test_they_answer_alike(large: Path, tmp_path: Path) -> None:
    expected = OnnxRuntime(large / "dense" / "model.onnx", 1).logits(PIECES)
    onnx.save(onnx.load(large / "dense" / "model.onnx"), tmp_path / "one.onnx")
    assert np.array_equal(OnnxRuntime(tmp_path / "one.onnx", 1).logits(PIECES), expected)
    copy(large / "dense" / "model.onnx", tmp_path / "renamed.onnx")
    assert np.array_equal(OnnxRuntime(tmp_path / "renamed.onnx", 1).logits(PIECES), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.onnx", "renamed.onnx", "renamed.onnx_data"]
    settle(tmp_path / "renamed.onnx", tmp_path / "settled.onnx")
    assert np.array_equal(OnnxRuntime(tmp_path / "settled.onnx", 1).logits(PIECES), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.onnx", "settled.onnx"]


def test_cut_weights_are_refused_by_name(large: Path, tmp_path: Path) -> None:
    manifest, _ = open_artifact(large / "dense", 1)
    for name in manifest.files:
        (tmp_path / name).write_bytes((large / "dense" / name).read_bytes())
    weights = tmp_path / "model.onnx_data"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match=r"model.onnx_data has \d+ bytes where its manifest says"):
        verify(tmp_path, manifest)


def test_weights_are_read_and_not_mapped(large: Path, tmp_path: Path) -> None:
    """A mapped file that is truncated kills the process."""
    copy(large / "dense" / "model.onnx", tmp_path / "model.onnx")
    runtime = OnnxRuntime(tmp_path / "model.onnx", 1)
    expected = runtime.logits(PIECES)
    assert "model.onnx_data" not in Path("/proc/self/maps").read_text()
    (tmp_path / "model.onnx_data").write_bytes(b"")
    assert np.array_equal(runtime.logits(PIECES), expected)


def test_an_upload_says_that_there_are_weights_beside_the_graph(large: Path, tmp_path: Path) -> None:
    manifest, _ = open_artifact(large / "dense", 1)
    files = hub_files(large / "dense", manifest, tmp_path)
    assert files["onnx/model.onnx_data"] == large / "dense" / "model.onnx_data"
    assert isinstance(files["config.json"], bytes)
    assert b'"use_external_data_format": {\n      "model.onnx": true' in files["config.json"]


@pytest.mark.slow
def test_more_than_protobuf_can_count(tmp_path: Path) -> None:
    half = np.zeros(2**28 + 2**20, np.float32)
    weights = [onnx.numpy_helper.from_array(half, name) for name in ("a", "b")]
    output = onnx.helper.make_tensor_value_info("sum", onnx.TensorProto.FLOAT, [half.size])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Add", ["a", "b"], ["sum"])], "g", [], [output], weights)
    onnx_files.save(onnx.helper.make_model(graph), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").stat().st_size < 1000
    assert (tmp_path / "model.onnx_data").stat().st_size == 2 * half.nbytes
