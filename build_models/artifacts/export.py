"""Exports a checkpoint to ONNX with Optimum and fuses it with ONNX Runtime's transformer optimizer."""

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

from optimum.exporters.onnx import main_export
from optimum.onnxruntime import ORTOptimizer
from optimum.onnxruntime.configuration import OptimizationConfig

from build_models.artifacts.onnx_files import settle
from build_models.workspace.workspace import Workspace, full_disk_named, result_digest
from service.artifacts.transitions import TRANSITIONS
from service.runtimes.onnx import MODEL

OPSET = 18
"""Of every model that is exported, whatever version of the exporter writes it."""

APART_FROM = 2**30
"""Models with this many bytes of weights are exported in a separate process, so that the memory of PyTorch's exporter
is freed before the fusions need as much.
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
        plain = Path(folder) / "plain"
        if (checkpoint / "model.safetensors").stat().st_size < APART_FROM:
            _export_plain(checkpoint, plain)
        else:
            with ProcessPoolExecutor(1, get_context("spawn")) as apart:
                apart.submit(_export_plain, checkpoint, plain).result()
        if not fused:
            settle(plain / MODEL, target)
            return
        optimizer = ORTOptimizer.from_pretrained(plain, file_names=[MODEL])
        optimizer.optimize(
            OptimizationConfig(optimization_level=FUSION_LEVEL), save_dir=Path(folder) / "fused", file_suffix=""
        )
        settle(Path(folder) / "fused" / MODEL, target)


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
