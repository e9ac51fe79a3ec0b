"""The reference variant: the base fine-tuned in fp32, served by ONNX Runtime."""

from dataclasses import asdict
from pathlib import Path

import torch

from build_models.artifacts.checkpoint_files import copy_tokenizer, count_parameters
from build_models.artifacts.export import exported
from build_models.artifacts.onnx_files import copy as copy_onnx
from build_models.recipes.context import Context, Made, Parent
from build_models.training.finetune import load_classifier
from service.artifacts.manifest import Manifest
from service.runtimes.onnx import MODEL


def checkpoint(context: Context) -> Path:
    """The fine-tuned checkpoint, which other recipes start from; a given classifier is one."""
    settings = context.settings
    if context.source.head is not None:
        return context.source.folder

    def run(result: Path, state: Path) -> None:
        torch.manual_seed(settings.seed)
        model = load_classifier(context.source.folder, context.labels)
        context.finetune("dense", model, settings.finetune, state)
        save(model, context.source.folder, result)

    return context.workspace.stage("dense", context.inputs(stage="dense", finetune=asdict(settings.finetune)), run)


def save(model: torch.nn.Module, tokenizer_from: Path, folder: Path) -> None:
    """Save a model with the tokenizer of another checkpoint."""
    model.save_pretrained(folder)  # type: ignore[operator]
    copy_tokenizer(tokenizer_from, folder)


def build(context: Context) -> Manifest:
    trained = checkpoint(context)

    def fill(folder: Path) -> Made:
        copy_onnx(exported(context.workspace, "dense", trained) / MODEL, folder / MODEL)
        return Made(*count_parameters(trained))

    parent = Parent(context.source.name, context.source.digest)
    parameters = {"finetune": asdict(context.settings.finetune)} if context.source.head is None else {}
    return context.artifact("dense", trained, parent, parameters, fill)
