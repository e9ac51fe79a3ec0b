"""Exports a checkpoint to ONNX with Optimum and fuses it with ONNX Runtime's transformer optimizer.

The word embeddings, most of the weights of a multilingual model, are only looked up, so the exporter and the fusions
get a few rows of them, and the rest are added at the end. At 278 M weights, this takes a third of the time and two
thirds of the memory.
"""

import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import onnx
from optimum.exporters.onnx import main_export
from optimum.onnxruntime import ORTOptimizer
from optimum.onnxruntime.configuration import OptimizationConfig
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoConfig

from build_models.architectures import architecture_of
from build_models.artifacts.checkpoint_files import WEIGHTS
from build_models.artifacts.onnx_files import save
from build_models.workspace.workspace import Workspace, full_disk_named, result_digest
from service.artifacts.transitions import TRANSITIONS
from service.runtimes.onnx import MODEL

OPSET = 18
"""Of every model that is exported, whatever version of the exporter writes it."""

FEWEST_PIECES = 64
"""Rows of the word embeddings that the exporter gets; more if the padding comes later."""

APART_FROM = 2**30
"""Models with this many bytes of weights, word embeddings aside, are exported in a separate process, so that the memory
of PyTorch's exporter is freed before the fusions need as much.
"""

FUSION_LEVEL = 2
"""Attention, GELU and layer-norm fusions, valid on any CPU; sessions add machine-specific ones when they load."""


def exported(workspace: Workspace, name: str, checkpoint: Path) -> Path:
    """A folder with the fused ONNX file of a checkpoint and what a pipeline needs beside it, kept for several uses."""
    inputs = {
        "stage": "onnx",
        "checkpoint": result_digest(checkpoint),
        "libraries": [version(library) for library in ("onnxruntime", "optimum-onnx", "torch", "transformers")],
    }

    def run(result: Path, _: Path) -> None:
        for file in ("config.json", "tokenizer.json", TRANSITIONS):
            if (checkpoint / file).exists():
                shutil.copy(checkpoint / file, result)
        export_onnx(checkpoint, result / MODEL)

    return workspace.stage(f"{name}-onnx", inputs, run)


def export_onnx(checkpoint: Path, target: Path, fused: bool = True) -> None:
    """Export the checkpoint to the ONNX file ``target``, with dynamic batch size and length.

    Weights that protobuf cannot hold are in a file beside it.
    """
    with (
        tempfile.TemporaryDirectory(dir=target.parent) as folder,
        full_disk_named(target.parent),
        quiet(),
    ):
        small, plain = Path(folder) / "small", Path(folder) / "plain"
        embeddings = _with_few_pieces(checkpoint, small)
        if (small / WEIGHTS).stat().st_size < APART_FROM:
            _export_plain(small, plain)
        else:
            with ProcessPoolExecutor(1, get_context("spawn")) as apart:
                apart.submit(_export_plain, small, plain).result()
        shutil.rmtree(small)
        made = plain
        if fused:
            optimizer = ORTOptimizer.from_pretrained(plain, file_names=[MODEL])
            made = Path(folder) / "fused"
            optimizer.optimize(OptimizationConfig(optimization_level=FUSION_LEVEL), save_dir=made, file_suffix="")
        model = onnx.load(made / MODEL)
        _put_back(model, checkpoint, embeddings)
        save(model, target)


def _with_few_pieces(checkpoint: Path, folder: Path) -> str:
    """Write the checkpoint to ``folder`` with only the first few word embeddings; return the name of their tensor."""
    config = AutoConfig.from_pretrained(checkpoint, local_files_only=True)
    ending = f".{architecture_of(config).embeddings}.weight"
    rows = min(config.vocab_size, max(FEWEST_PIECES, config.pad_token_id + 1))
    config.vocab_size = rows
    config.save_pretrained(folder)
    with safe_open(checkpoint / WEIGHTS, framework="pt") as weights:
        names: list[str] = list(weights.keys())
        (embeddings,) = (name for name in names if name.endswith(ending))
        kept = {name: weights.get_tensor(name) for name in names if name != embeddings}
        kept[embeddings] = weights.get_slice(embeddings)[:rows]
    save_file(kept, folder / WEIGHTS, {"format": "pt"})
    return embeddings


def _put_back(model: onnx.ModelProto, checkpoint: Path, embeddings: str) -> None:
    """Replace the few word embeddings of an exported model with all of them."""
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == embeddings)
    with safe_open(checkpoint / WEIGHTS, framework="pt") as weights:
        # The exported graph computes in fp32, whatever the checkpoint stores.
        whole = weights.get_tensor(embeddings).float().numpy()
    tensor.dims[:] = whole.shape
    tensor.raw_data = whole.tobytes()


def _export_plain(checkpoint: Path, folder: Path) -> None:
    with quiet():
        main_export(
            str(checkpoint), folder, task="token-classification", opset=OPSET, do_validation=False, no_post_process=True
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what the exporters say of their own workings."""
    for name in ("optimum", "onnxruntime", "torch.onnx", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
