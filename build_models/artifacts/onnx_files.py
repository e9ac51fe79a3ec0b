"""ONNX files: one if protobuf takes it, else the graph and one file with the weights beside it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import EncodeError
from onnx import ModelProto, TensorProto
from onnx.external_data_helper import uses_external_data

LARGEST = 2**31 - 2**20
"""Bytes of a single file; protobuf reads less than 2 GiB."""

SMALLEST_OUTSIDE = 1024
"""Bytes of a tensor that is worth a place in the file of weights."""


def weights_beside(path: Path) -> Path:
    """The file of weights of the model ``path``, by the name that Optimum and transformers.js expect."""
    return path.with_name(f"{path.name}_data")


def onnx_bytes(path: Path) -> int:
    """The size of a model that ``settle`` wrote."""
    weights = weights_beside(path)
    return path.stat().st_size + (weights.stat().st_size if weights.exists() else 0)


def settle(source: Path, target: Path) -> None:
    """Move a model to ``target`` in as few files as it fits in, by their final names."""
    model = onnx.load(source, load_external_data=False)
    written = {source.parent / location for location in _locations(model)}
    if not written:
        shutil.move(source, target)
        return
    save(onnx.load(source), target)
    for path in {source, *written} - {target, weights_beside(target)}:
        path.unlink()


def copy(source: Path, target: Path) -> None:
    """Copy a model that ``settle`` wrote; ``target`` may have another name."""
    if not weights_beside(source).exists():
        shutil.copy(source, target)
        return
    shutil.copy(weights_beside(source), weights_beside(target))
    _save_pointing(onnx.load(source, load_external_data=False), target)


def save(model: ModelProto, target: Path) -> None:
    """Write a model whose weights are in memory."""
    weights = weights_beside(target)
    # A larger model that was here before may have left some.
    weights.unlink(missing_ok=True)
    if _fits_in_one(model):
        onnx.save(model, target)
        return
    onnx.save(model, target, save_as_external_data=True, location=weights.name, size_threshold=SMALLEST_OUTSIDE)


def _fits_in_one(model: ModelProto) -> bool:
    try:
        return int(model.ByteSize()) < LARGEST
    except EncodeError:
        # protobuf cannot even count what it cannot write.
        return False


def _save_pointing(model: ModelProto, target: Path) -> None:
    """Write the graph alone, with the weights in the file beside ``target``."""
    for tensor in _outside(model):
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = weights_beside(target).name
    target.write_bytes(model.SerializeToString())


def _outside(model: ModelProto) -> Iterator[TensorProto]:
    constants = (attribute.t for node in model.graph.node for attribute in node.attribute if attribute.HasField("t"))
    return (
        tensor for tensors in (model.graph.initializer, constants) for tensor in tensors if uses_external_data(tensor)
    )


def _locations(model: ModelProto) -> set[str]:
    return {entry.value for tensor in _outside(model) for entry in tensor.external_data if entry.key == "location"}
