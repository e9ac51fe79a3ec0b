"""Stores the embeddings of an ONNX file in 4 bits, looked up by ONNX Runtime's ``GatherBlockQuantized``.

ONNX Runtime's own tool for it needs onnx-ir, which nothing else here does.
"""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

BLOCK = 128
"""Number of consecutive values in a row that share a scale: in narrow models, all of a row."""

ZERO = 8
"""The code for zero among the 16 codes."""

NIBBLES = "_nibbles"
"""Suffix of the names of packed tensors."""


def quantize_embeddings(path: Path) -> None:
    """Quantize every fp32 matrix of even width that rows are looked up in, in place."""
    model = onnx.load(path)
    graph = model.graph
    matrices = {
        tensor.name: tensor
        for tensor in graph.initializer
        if len(tensor.dims) == 2 and tensor.dims[1] % 2 == 0 and tensor.data_type == onnx.TensorProto.FLOAT
    }
    for node in graph.node:
        if node.op_type != "Gather" or node.input[0] not in matrices:
            continue
        name = node.input[0]
        packed, scales = packed_rows(numpy_helper.to_array(matrices[name]).astype(np.float32))
        graph.initializer.remove(matrices[name])
        graph.initializer.extend(
            [numpy_helper.from_array(packed, name + NIBBLES), numpy_helper.from_array(scales, f"{name}_scales")]
        )
        lookup = helper.make_node(
            "GatherBlockQuantized",
            [name + NIBBLES, node.input[1], f"{name}_scales"],
            list(node.output),
            name=node.name,
            domain="com.microsoft",
            gather_axis=0,
            quantize_axis=1,
            block_size=BLOCK,
            bits=4,
        )
        node.CopyFrom(lookup)
    if not any(entry.domain == "com.microsoft" for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)


def packed_rows(matrix: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Two numbers a byte, the first in its low half; and the scales, of shape (rows, blocks)."""
    rows, width = matrix.shape
    blocks = np.zeros((rows, -(-width // BLOCK), BLOCK), np.float32)
    blocks.reshape(rows, -1)[:, :width] = matrix
    # The number furthest from zero is -8 or nearly: there is no +8.
    furthest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=2, keepdims=True), axis=2)
    scales = -furthest / ZERO
    steps = np.divide(blocks, scales, out=np.zeros_like(blocks), where=scales != 0)
    numbers = np.clip(np.rint(steps) + ZERO, 0, 15).astype(np.uint8).reshape(rows, -1)[:, :width]
    return (numbers[:, ::2] | numbers[:, 1::2] << 4).astype(np.uint8), scales[:, :, 0].astype(np.float32)


def unpacked(numbers: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The numbers of a packed matrix, from -8 to 7."""
    both = np.stack([numbers & 15, numbers >> 4], axis=-1).reshape(len(numbers), -1)
    return both.astype(np.int8) - np.int8(ZERO)
