"""A checkpoint whose activations have outliers, as those of large models do, and whose answers are the same."""

from pathlib import Path

import torch
from torch import nn

from build_models.architectures import architecture_of
from build_models.recipes import dense
from build_models.recipes.context import Context
from build_models.training.finetune import load_classifier
from build_models.workspace.workspace import result_digest


def inflated(context: Context, factor: float) -> Path:
    """The dense checkpoint with one feature of every layer's attention ``factor`` times as large.

    Attention is linear in its values: a feature of them is multiplied, and divided where the output matrix reads it.
    """
    start = dense.checkpoint(context)

    def run(result: Path, _: Path) -> None:
        model = load_classifier(start, context.labels)
        layers = model.base_model.get_submodule(architecture_of(model.config).layers)
        with torch.no_grad():
            for layer in layers:
                value, output = layer.attention.self.value, layer.attention.output.dense
                assert isinstance(value, nn.Linear)
                assert isinstance(output, nn.Linear)
                value.weight[0] *= factor
                value.bias[0] *= factor
                output.weight[:, 0] /= factor
        dense.save(model, context.source.folder, result)

    inputs = context.inputs(stage="outliers", start=result_digest(start), factor=factor)
    return context.workspace.stage("outliers", inputs, run)
