"""Unstructured magnitude pruning, before or after fine-tuning.

The weights with the smallest absolute values over all pruned matrices are set to zero (global magnitude pruning, Han
et al. 2015) and stay zero in training (Gordon et al. 2020, "Compressing BERT").
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from build_models.architectures import architecture_of
from build_models.artifacts.checkpoint_files import count_parameters
from build_models.artifacts.export import export_onnx
from build_models.artifacts.sparse_onnx import compress
from build_models.recipes import dense
from build_models.recipes.context import Context, Made, Parent
from build_models.recipes.distilled import taught_by
from build_models.settings import FinetuneSettings
from build_models.training.finetune import load_classifier
from build_models.workspace.workspace import result_digest
from service.artifacts.manifest import Manifest
from service.runtimes.onnx import MODEL


def prunable(model: PreTrainedModel, embeddings: bool) -> Iterator[Tensor]:
    """The weight matrices of the encoder's layers and, with ``embeddings``, the word embeddings."""
    architecture = architecture_of(model.config)
    for name, module in model.base_model.named_modules():
        if (isinstance(module, nn.Linear) and name.startswith(f"{architecture.layers}.")) or (
            embeddings and name == architecture.embeddings
        ):
            yield module.weight


def magnitude_masks(weights: list[Tensor], sparsity: float) -> list[Tensor]:
    """Boolean masks, True where a weight stays; ``sparsity`` of all weights, rounded down, are removed."""
    magnitudes = torch.cat([weight.detach().abs().flatten() for weight in weights])
    removed = int(sparsity * magnitudes.numel())
    if removed:
        # Sorting hundreds of millions of weights would take minutes and gigabytes.
        border = magnitudes.kthvalue(removed).values
        keep = magnitudes > border
        equal = (magnitudes == border).nonzero().flatten()
        # Of those at the border, the first ones go.
        keep[equal[removed - int((magnitudes < border).sum()) :]] = True
    else:
        keep = torch.ones_like(magnitudes, dtype=torch.bool)
    parts = torch.split(keep, [weight.numel() for weight in weights])
    return [part.reshape(weight.shape) for part, weight in zip(parts, weights, strict=True)]


def apply_masks(weights: list[Tensor], masks: list[Tensor]) -> None:
    with torch.no_grad():
        for weight, mask in zip(weights, masks, strict=True):
            weight.mul_(mask.to(weight.device))


def checkpoint(context: Context) -> Path:
    """The pruned checkpoint. With ``prune_after``, ``recovery_epochs`` of training follow the pruning.

    What a given classifier loses is recovered by its own logits, beside the labels.
    """
    settings = context.settings
    start = dense.checkpoint(context) if settings.prune_after else context.source.folder
    inputs = context.inputs(stage="pruned", start=result_digest(start), **parameters(context))

    def run(result: Path, state: Path) -> None:
        torch.manual_seed(settings.seed)
        model = load_classifier(start, context.labels)
        weights = list(prunable(model, settings.prune_embeddings))
        masks = magnitude_masks(weights, settings.sparsity)
        apply_masks(weights, masks)
        if training(context).epochs:
            loss = None
            if context.source.head is not None:
                loss = taught_by(load_classifier(start, context.labels), settings.distillation)
            context.finetune("pruned", model, training(context), state, loss, lambda: apply_masks(weights, masks))
        dense.save(model, context.source.folder, result)

    return context.workspace.stage("pruned", inputs, run)


def training(context: Context) -> FinetuneSettings:
    """The settings of the training after the pruning: all of it, or with ``prune_after`` the recovery."""
    settings = context.settings
    epochs = (settings.recovery_epochs or 0) if settings.prune_after else settings.finetune.epochs
    return replace(settings.finetune, epochs=epochs)


def parameters(context: Context) -> dict[str, object]:
    settings = context.settings
    recovery = {}
    if context.source.head is not None and training(context).epochs:
        taught = settings.distillation
        recovery = {"temperature": taught.temperature, "alpha": taught.alpha, "every_piece": taught.every_piece}
    return {
        **recovery,
        "finetune": asdict(training(context)),
        "after": settings.prune_after,
        "target_sparsity": settings.sparsity,
        "scope": "global",
        "embeddings": settings.prune_embeddings,
    }


def build(context: Context) -> Manifest:
    trained = checkpoint(context)

    def fill(folder: Path) -> Made:
        export_onnx(trained, folder / MODEL)
        compress(folder / MODEL)
        return Made(*count_parameters(trained))

    if context.settings.prune_after:
        parent = context.parent("dense", dense.checkpoint(context))
    else:
        parent = Parent(context.source.name, context.source.digest)
    return context.artifact("pruned", trained, parent, parameters(context), fill)
