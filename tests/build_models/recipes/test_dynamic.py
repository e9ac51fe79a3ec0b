from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from build_models.bases.base import SHAPES
from build_models.build import build
from build_models.recipes import dynamic
from build_models.recipes.dynamic import CANDIDATES, SPEED_TOLERANCE, TOLERANCE, Measured, choose, count_weights
from service.evaluation.conll import Sentence
from service.ner.pipeline import Pipeline
from tests.build_models.classifiers import settings_for_every_variant, write_classifier
from tests.build_models.conftest import Built
from tests.build_models.readings import word_probabilities

MATRICES = 2 * 6 + 1
"""Of two layers and the classifier."""
PROBABILITY_TOLERANCE = 0.15
"""8-bit activations with one scale for a whole window: coarser than int8's row by row."""


def test_every_matrix_product_with_weights_runs_in_eight_bits(built: Built) -> None:
    graph = onnx.load(built.folder / "dynamic" / "model.onnx").graph
    operators = Counter(node.op_type for node in graph.node)
    # A fused attention node holds the products of query, key and value.
    fused = operators["QAttention"]
    integer = operators["MatMulInteger"] + operators["DynamicQuantizeMatMul"] + operators["MatMulIntegerToFloat"]
    assert 3 * fused + integer == MATRICES
    assert operators["DynamicQuantizeLinear"] > 0
    assert operators["Attention"] == 0
    weights = {tensor.name: tensor for tensor in graph.initializer}
    left = [
        node.name
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm") and any(name in weights for name in node.input)
    ]
    assert left == []


def test_eight_bit_weights_fill_the_file(built: Built) -> None:
    graph = onnx.load(built.folder / "dynamic" / "model.onnx").graph
    eight_bit = sum(
        int(np.prod(tensor.dims))
        for tensor in graph.initializer
        if tensor.data_type in (TensorProto.INT8, TensorProto.UINT8) and tensor.name.endswith("_quantized")
    )
    shape = SHAPES["tiny"]
    encoder = shape.layers * (4 * shape.width**2 + 2 * shape.width * shape.feed_forward)
    matrices = encoder + shape.width * len(built.manifests["dynamic"].labels)
    chosen = built.manifests["dynamic"].recipe.parameters["chosen"]
    if chosen["embedding_bits"] == 8:
        assert eight_bit > matrices
    else:
        assert eight_bit == matrices
    sizes = {name: (built.folder / name / "model.onnx").stat().st_size for name in ("dense", "dynamic")}
    assert sizes["dense"] - sizes["dynamic"] > 0.95 * 3 * matrices


def test_weights_cannot_saturate_without_vnni(built: Built) -> None:
    """Signed weights must stay within 7 bits: two products of 255 by 64 fit the 16 bits that AVX2 adds in."""
    graph = onnx.load(built.folder / "dynamic" / "model.onnx").graph
    signed = [
        numpy_helper.to_array(tensor).astype(int)
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.INT8 and tensor.name.endswith("_quantized")
    ]
    assert bool(signed) == built.manifests["dynamic"].recipe.parameters["chosen"]["signed"]
    assert max((int(np.abs(weights).max()) for weights in signed), default=0) <= 64


def test_every_candidate_was_measured(built: Built) -> None:
    parameters = built.manifests["dynamic"].recipe.parameters
    assert parameters["candidates"] == [asdict(candidate) for candidate in CANDIDATES]
    measured = [
        {key: value for key, value in entry.items() if key not in ("dev_f1", "seconds_per_text", "bytes")}
        for entry in parameters["measured"]
    ]
    assert measured == parameters["candidates"]
    assert all(entry["seconds_per_text"] > 0 for entry in parameters["measured"])


def test_the_smallest_of_the_fastest_of_the_best_is_chosen() -> None:
    best_but_slow = Measured(0, 0.900, 2.0, 10)
    good_and_fast = Measured(1, 0.899, 1.0, 60)
    good_about_as_fast_and_small = Measured(2, 0.8985, 1.1, 20)
    fast_and_small_but_worse = Measured(3, 0.894, 0.5, 1)
    assert choose([best_but_slow, good_and_fast, good_about_as_fast_and_small, fast_and_small_but_worse]) == 2
    assert choose([best_but_slow, good_and_fast, fast_and_small_but_worse]) == 1
    assert choose([best_but_slow, fast_and_small_but_worse]) == 0


def test_the_chosen_settings_are_fast_among_the_equally_good(built: Built) -> None:
    manifest = built.manifests["dynamic"]
    measured = manifest.recipe.parameters["measured"]
    (chosen,) = (entry for entry in measured if manifest.recipe.parameters["chosen"].items() <= entry.items())
    best = max(entry["dev_f1"] for entry in measured)
    assert manifest.recipe.parameters["tolerance"] == TOLERANCE
    # F1 is written down in four digits: what lies that near the edge may be on either side.
    assert chosen["dev_f1"] >= best - TOLERANCE - 1e-4
    clearly_good = [entry for entry in measured if entry["dev_f1"] >= best - TOLERANCE + 1e-4]
    fastest = min(entry["seconds_per_text"] for entry in clearly_good)
    assert chosen["seconds_per_text"] <= fastest * (1 + SPEED_TOLERANCE) + 1e-6
    # The artefact holds the model that was measured.
    assert manifest.metrics["dev"].f1 == pytest.approx(chosen["dev_f1"], abs=1e-4)


def test_each_candidate_is_timed_beside_the_first_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is half as fast when the second one is timed."""
    write_classifier(tmp_path / "given")
    settings = replace(settings_for_every_variant(tmp_path, str(tmp_path / "given"), 64), dynamic_timed=True)
    monkeypatch.setattr(dynamic, "CANDIDATES", CANDIDATES[:2])
    monkeypatch.setattr(dynamic, "seconds_per_text", lambda pipeline, sentences: 0.010)
    monkeypatch.setattr(dynamic, "seconds_side_by_side", lambda pipelines, sentences: [0.030, 0.020])
    _, made = build(settings, ["dense", "dynamic"])
    assert [entry["seconds_per_text"] for entry in made.recipe.parameters["measured"]] == [0.010, 0.015]


def test_answers_agree_with_dense(pipelines: dict[str, Pipeline], sentences: list[Sentence]) -> None:
    some = sentences[::3]
    dense, dynamic = (word_probabilities(pipelines[name], some) for name in ("dense", "dynamic"))
    assert (dense.argmax(-1) == dynamic.argmax(-1)).mean() >= 0.95
    assert 0 < np.abs(dense - dynamic).max() < PROBABILITY_TOLERANCE
    assert (dense.argmax(-1) != 0).any(), "where everything is O, agreement says nothing"


def save(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    graph = helper.make_graph(
        [], "toy", [], [], [numpy_helper.from_array(array, name) for name, array in tensors.items()]
    )
    onnx.save(helper.make_model(graph), path)
    return path


def test_counting_weights_of_a_model_made_by_hand(tmp_path: Path) -> None:
    path = save(
        tmp_path / "model.onnx",
        {
            "norm": np.array([1.0, 0.0, 2.0], np.float32),
            # Zero stands for zero: two of six.
            "signed_quantized": np.array([[0, 1, 2], [3, 0, -5]], np.int8),
            "signed_scale": np.ones(3, np.float32),
            "signed_zero_point": np.zeros(3, np.int8),
            # 128 stands for zero: one of four; the 0 in it does not.
            "unsigned_quantized": np.array([[128, 0], [255, 127]], np.uint8),
            "unsigned_scale": np.array(0.5, np.float32),
            "unsigned_zero_point": np.array(128, np.uint8),
            # A zero point for each column: the first and the last stand for zero.
            "columns_quantized": np.array([[7, 7], [9, 9]], np.uint8),
            "columns_scale": np.ones(2, np.float32),
            "columns_zero_point": np.array([7, 9], np.uint8),
            # What the graph needs to work its shapes out is no parameter.
            "axes": np.array([1, 2], np.int64),
            "position_offset": np.array(1, np.int32),
        },
    )
    assert count_weights(path) == (3 + 6 + 4 + 4, 2 + 4 + 3 + 2)
