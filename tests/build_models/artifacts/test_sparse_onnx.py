from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from build_models.artifacts.sparse_onnx import SMALLEST, compress


def sparse(shape: tuple[int, ...], share_of_zeros: float, seed: int = 0) -> NDArray[np.float32]:
    random_state = np.random.default_rng(seed)
    weights = random_state.normal(size=shape).astype(np.float32)
    weights[random_state.random(shape) < share_of_zeros] = 0
    return weights


def save(path: Path, weights: dict[str, NDArray[np.float32]], opset: int = 18) -> None:
    """A model that hands out every weight multiplied by its input, and the product of the input and a matrix."""
    nodes = [helper.make_node("Mul", ["x", name], [f"{name}.out"]) for name in weights]
    outputs = [
        helper.make_tensor_value_info(f"{name}.out", TensorProto.FLOAT, value.shape) for name, value in weights.items()
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path)


def run(path: Path) -> list[bytes]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"x": np.array([3.7], dtype=np.float32)})
    return [np.asarray(output).tobytes() for output in outputs]


WEIGHTS = {
    "matrix": sparse((37, 53), 0.6),
    "vector": sparse((2049,), 0.5, 1),
    "cube": sparse((3, 19, 23), 0.9, 2),
    "all_zero": np.zeros((41, 31), np.float32),
    "none_zero": np.ones((33, 35), np.float32),
    "only_the_last": np.eye(1, 1500, 1499, dtype=np.float32)[0],
    "only_the_first": np.eye(1, 1500, 0, dtype=np.float32)[0],
    "small": sparse((5, 7), 0.8, 3),
    "at_the_edge": sparse((SMALLEST,), 0.5, 4),
}


@pytest.mark.parametrize("opset", [13, 18])
def test_the_outputs_are_the_same_bit_by_bit(tmp_path: Path, opset: int) -> None:
    path = tmp_path / "model.onnx"
    save(path, WEIGHTS, opset)
    before = run(path)
    compress(path)
    assert run(path) == before


def test_infinities_and_the_smallest_numbers_survive(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    weights = sparse((40, 40), 0.7)
    weights[0, :4] = [np.inf, -np.inf, np.finfo(np.float32).tiny, -np.finfo(np.float32).max]
    save(path, {"weights": weights})
    before = run(path)
    compress(path)
    assert run(path) == before


def test_the_size_is_one_bit_for_each_weight_and_four_bytes_for_each_that_is_left(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    weights = sparse((1001, 499), 0.6)
    save(path, {"weights": weights})
    dense_bytes = path.stat().st_size
    compress(path)
    expected = -(-weights.size // 8) + 4 * (np.count_nonzero(weights) + 1)
    assert 0 < path.stat().st_size - expected < 4000, "the graph and its names take little"
    # 0.4 of the weights left: (1 + 32 * 0.4) / 32 = 0.43 of the dense size.
    assert path.stat().st_size == pytest.approx(0.43125 * dense_bytes, rel=0.02)


def test_only_what_is_worth_it_is_packed(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    save(path, WEIGHTS)
    compress(path)
    kept = {tensor.name for tensor in onnx.load(path).graph.initializer} & set(WEIGHTS)
    assert kept == {"none_zero", "small"}


def test_a_dense_model_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    save(path, {"none_zero": WEIGHTS["none_zero"]})
    before = onnx.load(path).graph
    compress(path)
    assert onnx.load(path).graph == before


def test_weights_that_are_multiplied_as_a_matrix(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["y"])],
        "toy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 61])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 43])],
        [numpy_helper.from_array(sparse((61, 43), 0.6), "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    x = np.random.default_rng(1).normal(size=(7, 61)).astype(np.float32)

    def outputs() -> bytes:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return np.asarray(session.run(["y"], {"x": x})[0]).tobytes()

    before = outputs()
    compress(path)
    assert outputs() == before
