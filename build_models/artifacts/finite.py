"""Weights that are no numbers, found before anything is made of them."""

from pathlib import Path

import torch
from safetensors import safe_open

from build_models.errors import BuildError


def refuse_not_finite(weights: Path, what: str) -> None:
    """Raise ``BuildError`` if a tensor of a safetensors file holds NaN or infinity. ``what`` says whose they are."""
    with safe_open(weights, framework="pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118 (no mapping)
            tensor = tensors.get_tensor(name)
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise BuildError(
                    f"{what} holds NaN or infinity in {name}. A training that diverges leaves such weights: train it"
                    " again with a lower learning rate, or take another checkpoint"
                )
