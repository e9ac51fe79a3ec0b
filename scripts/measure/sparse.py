"""Measures whether sparse kernels make an unstructuredly pruned model of AfriBERTa-base's dimensions faster.

    .venv/bin/python scripts/measure/sparse.py [--threads 1] [--rounds 3] [--sparsities 0.8,0.9] [--layers 8]

Weights are random, and as many as asked for are zero. Compared in process, on windows of 24 to 64 pieces, taking turns:
the model in ONNX Runtime and in PyTorch, both with dense products; PyTorch with every matrix of the encoder in CSR,
which MKL multiplies; and one product of a layer by ONNX Runtime's ``SparseToDenseMatMul``. The last line is one JSON
record.
"""

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from transformers import XLMRobertaForTokenClassification

from build_models.artifacts.export import export_onnx
from build_models.bases.base import train_tokenizer
from build_models.bases.masked import model_config
from build_models.bases.shapes import SHAPES
from build_models.data.loading import load_data
from service.runtimes.onnx import MODEL, OnnxRuntime

MICROSOFT = "com.microsoft"
LENGTHS = [24, 36, 42, 48, 64]
PIECES = 2000
"""The embeddings are looked up, not multiplied: their number changes no time."""


class Sparse(nn.Module):
    """A linear layer with its weight in CSR."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.weight, self.bias = linear.weight.detach().to_sparse_csr(), linear.bias

    def forward(self, inputs: Tensor) -> Tensor:
        flat = inputs.reshape(-1, inputs.shape[-1])
        product = (self.weight @ flat.T).T + self.bias
        return product.reshape(*inputs.shape[:-1], -1)


def prune(model: nn.Module, sparsity: float) -> None:
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and ".layer." in name:
            weight = module.weight.data
            weight[weight.abs() < weight.abs().flatten().kthvalue(int(sparsity * weight.numel())).values] = 0


def make_sparse(model: nn.Module) -> None:
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and ".layer." in name:
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, Sparse(module))


def one_product(weight: np.ndarray, folder: Path, threads: int, sparse: bool) -> Callable[[int], object]:
    """The product of ``weight`` with a window, as ONNX Runtime computes it. A sparse weight has to be an input: one in
    the file becomes a dense tensor when it is loaded."""
    outputs, inputs = weight.shape
    graph = helper.make_graph(
        [helper.make_node("SparseToDenseMatMul" if sparse else "MatMul", ["w", "x"], ["y"], domain=MICROSOFT * sparse)],
        "product",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [inputs, "n"]),
            *([helper.make_sparse_tensor_value_info("w", TensorProto.FLOAT, weight.shape)] if sparse else []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [outputs, "n"])],
        [] if sparse else [numpy_helper.from_array(weight, "w")],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(MICROSOFT, 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), folder / "product.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(folder / "product.onnx"), options, providers=["CPUExecutionProvider"])
    if not sparse:
        return lambda length: session.run(None, {"x": np.ones((inputs, length), np.float32)})
    rows = torch.from_numpy(weight).to_sparse_csr()
    value = onnxruntime.SparseTensor.sparse_csr_from_numpy(
        np.array(weight.shape, dtype=np.int64),
        rows.values().numpy(),
        rows.col_indices().numpy(),
        rows.crow_indices().numpy(),
        onnxruntime.OrtDevice.make("cpu", 0),
    )
    fed = onnxruntime.OrtValue.ort_value_from_sparse_tensor(value)

    def run(length: int) -> object:
        window = onnxruntime.OrtValue.ortvalue_from_numpy(np.ones((inputs, length), np.float32))
        return session.run_with_ort_values(["y"], {"w": fed, "x": window})

    return run


def medians(contenders: dict[str, Callable[[int], object]], rounds: int, threads: int) -> dict[str, float]:
    """Milliseconds, of CPU time with one thread, taking turns at each length; the first round warms up."""
    clock = time.thread_time if threads == 1 else time.perf_counter
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for length in LENGTHS:
            for name, run in contenders.items():
                started = clock()
                run(length)
                if number:
                    found[name].append(1000 * (clock() - started))
    return {name: round(statistics.median(taken), 3) for name, taken in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sparsities", default="0.8,0.9")
    parser.add_argument("--layers", type=int, default=8)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(options.threads)
    record = {}
    for sparsity in map(float, options.sparsities.split(",")):
        with tempfile.TemporaryDirectory() as temporary, torch.inference_mode():
            folder = Path(temporary)
            torch.manual_seed(1)
            config = model_config(replace(SHAPES["base"], layers=options.layers), PIECES, 512, 0.0)
            model = XLMRobertaForTokenClassification(config).eval()
            prune(model, sparsity)
            texts = [" ".join(sentence.words) for sentence in load_data(None, ("swa",), None, 1, 200).train]
            train_tokenizer(texts, 500, folder)
            model.save_pretrained(folder)
            export_onnx(folder, folder / MODEL)
            session = OnnxRuntime(folder / MODEL, options.threads)
            sparse = XLMRobertaForTokenClassification.from_pretrained(folder).eval()
            weight = sparse.get_submodule("roberta.encoder.layer.0.intermediate.dense").weight.numpy().copy()
            make_sparse(sparse)

            def pieces(length: int) -> Tensor:
                return torch.arange(4, 4 + length)[None]

            apart = (model(input_ids=pieces(42)).logits - sparse(input_ids=pieces(42)).logits).abs().max()
            assert apart < 1e-3, apart
            contenders: dict[str, Callable[[int], object]] = {
                "ONNX Runtime, dense": lambda length, session=session: session.logits(pieces(length)[0].numpy()),
                "PyTorch, dense": lambda length, model=model: model(input_ids=pieces(length)),
                "PyTorch, CSR": lambda length, sparse=sparse: sparse(input_ids=pieces(length)),
                "one product, ONNX Runtime, dense": one_product(weight, folder, options.threads, False),
                "one product, ONNX Runtime, sparse": one_product(weight, folder, options.threads, True),
            }
            record[str(sparsity)] = found = medians(contenders, options.rounds, options.threads)
        for name, taken in found.items():
            print(f"{sparsity:.0%} zero: {name:36} {taken:8.2f} ms")
    print(json.dumps({"threads": options.threads, "layers": options.layers, "milliseconds": record}))


if __name__ == "__main__":
    main()
