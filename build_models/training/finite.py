"""Weights that are no numbers, found before anything is made of them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from build_models.errors import BuildError


def refuse_not_finite(weights: Iterable[tuple[str, Tensor]], what: str) -> None:
    """Raise ``BuildError`` if one of the named weights holds NaN or infinity. ``what`` says whose they are."""
    for name, weight in weights:
        if weight.is_floating_point() and not weight.isfinite().all():
            raise BuildError(
                f"{what} holds NaN or infinity in {name}. A training that diverges leaves such weights: train it"
                " again with a lower learning rate, or take another checkpoint"
            )


def stored_weights(path: Path) -> Iterator[tuple[str, Tensor]]:
    """The weights of a safetensors file, read one by one."""
    with safe_open(path, framework="pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118 (no mapping)
            yield name, tensors.get_tensor(name)
