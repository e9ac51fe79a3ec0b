"""From a checkpoint to ONNX: exported by Optimum, fused by ONNX Runtime's transformer optimizer."""

import logging
import shutil
import tempfile
import warnings
from pathlib import Path

from optimum.exporters.onnx import main_export
from optimum.onnxruntime import ORTOptimizer
from optimum.onnxruntime.configuration import OptimizationConfig

from build_models.workspace.workspace import full_disk_named
from service.runtimes.onnx import MODEL

OPSET = 18
"""Of every model that is exported, whatever version of the exporter writes it."""

FUSION_LEVEL = 2
"""Attention, GELU and layer-norm fusions that hold on any CPU; the session adds its machine's own at load."""


def export_onnx(checkpoint: Path, target: Path, fused: bool = True) -> None:
    """Write the checkpoint as ONNX with dynamic length to the file ``target``."""
    with (
        tempfile.TemporaryDirectory(dir=target.parent) as folder,
        full_disk_named(target.parent),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for name in ("optimum", "onnxruntime", "torch.onnx"):
            logging.getLogger(name).setLevel(logging.ERROR)
        plain = Path(folder) / "plain"
        main_export(
            str(checkpoint), plain, task="token-classification", opset=OPSET, do_validation=False, no_post_process=True
        )
        if not fused:
            shutil.move(plain / MODEL, target)
            return
        optimizer = ORTOptimizer.from_pretrained(plain, file_names=[MODEL])
        optimizer.optimize(
            OptimizationConfig(optimization_level=FUSION_LEVEL), save_dir=Path(folder) / "fused", file_suffix=""
        )
        shutil.move(Path(folder) / "fused" / MODEL, target)
