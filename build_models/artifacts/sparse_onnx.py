"""Stores pruned weights in an ONNX file as a bitmap and the non-zero values.

The graph unpacks them with standard operators on constants. ONNX Runtime folds these when the session is created, so
the file loads with a plain ``InferenceSession`` and runs like the dense one. A weight takes 1 + 32 (1 - sparsity) bits
instead of 32: 13.8 at 60%.
"""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from build_models.artifacts.onnx_files import save

WORTHWHILE_SPARSITY = 0.1
SMALLEST = 1024


def compress(path: Path) -> None:
    """Pack every sparse fp32 initializer of the ONNX file at ``path``, in place."""
    model = onnx.load(path)
    graph: GraphProto = model.graph
    kept: list[TensorProto] = []
    nodes: list[NodeProto] = []
    for tensor in graph.initializer:
        weights = numpy_helper.to_array(tensor)
        packable = weights.dtype == np.float32 and weights.size >= SMALLEST
        if packable and np.count_nonzero(weights) <= (1 - WORTHWHILE_SPARSITY) * weights.size:
            initializers, steps = _packed(tensor.name, np.asarray(weights, dtype=np.float32))
            kept += initializers
            nodes += steps
        else:
            kept.append(tensor)
    if nodes:
        shared = _shared_constants()
        nodes += list(graph.node)
        del graph.initializer[:], graph.node[:]
        graph.initializer.extend([*kept, *shared])
        graph.node.extend(nodes)
    save(model, path)
    # By its path, which takes models of any size.
    onnx.checker.check_model(str(path))


def _shared_constants() -> list[TensorProto]:
    return [
        numpy_helper.from_array(np.arange(8, dtype=np.uint8)[None, :], "sparse.shifts"),
        numpy_helper.from_array(np.array(2, dtype=np.uint8), "sparse.two"),
        numpy_helper.from_array(np.array(0, dtype=np.int32), "sparse.axis"),
        numpy_helper.from_array(np.array([0], dtype=np.int64), "sparse.begin"),
        numpy_helper.from_array(np.array(0.0, dtype=np.float32), "sparse.zero"),
    ]


def _packed(name: str, weights: NDArray[np.float32]) -> tuple[list[TensorProto], list[NodeProto]]:
    """Initializers with the bitmap and the values, and the nodes that compute the tensor ``name`` from them."""
    flat = weights.ravel()
    present = flat != 0
    # Positions before the first non-zero weight index the leading zero.
    values = np.concatenate((np.zeros(1, np.float32), flat[present]))
    initializers = [
        numpy_helper.from_array(np.packbits(present, bitorder="little")[:, None], f"{name}.bits"),
        numpy_helper.from_array(values, f"{name}.values"),
        numpy_helper.from_array(np.array([flat.size], dtype=np.int64), f"{name}.size"),
        numpy_helper.from_array(np.array(weights.shape, dtype=np.int64), f"{name}.shape"),
        numpy_helper.from_array(np.array([-1], dtype=np.int64), f"{name}.flat"),
    ]

    def node(operator: str, inputs: list[str], output: str, **attributes: object) -> NodeProto:
        return helper.make_node(operator, inputs, [output], name=f"{output}/{operator}", **attributes)

    nodes = [
        node("BitShift", [f"{name}.bits", "sparse.shifts"], f"{name}.shifted", direction="RIGHT"),
        node("Mod", [f"{name}.shifted", "sparse.two"], f"{name}.unpacked"),
        node("Reshape", [f"{name}.unpacked", f"{name}.flat"], f"{name}.padded"),
        node("Slice", [f"{name}.padded", "sparse.begin", f"{name}.size"], f"{name}.present"),
        node("Cast", [f"{name}.present"], f"{name}.mask", to=TensorProto.BOOL),
        node("Cast", [f"{name}.present"], f"{name}.counted", to=TensorProto.INT32),
        node("CumSum", [f"{name}.counted", "sparse.axis"], f"{name}.place"),
        node("Gather", [f"{name}.values", f"{name}.place"], f"{name}.gathered"),
        node("Where", [f"{name}.mask", f"{name}.gathered", "sparse.zero"], f"{name}.weights"),
        node("Reshape", [f"{name}.weights", f"{name}.shape"], name),
    ]
    return initializers, nodes
