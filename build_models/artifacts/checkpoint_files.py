"""The files of a checkpoint folder: tokenizer and weights."""

import shutil
from pathlib import Path

from safetensors import safe_open

WEIGHTS = "model.safetensors"


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the tokenizer files of a checkpoint."""
    for path in source.iterdir():
        if "token" in path.name or path.suffix == ".model":
            shutil.copy(path, target / path.name)


def count_parameters(checkpoint: Path) -> tuple[int, int]:
    """The number of all and of non-zero parameters of a safetensors checkpoint."""
    total = nonzero = 0
    with safe_open(checkpoint / WEIGHTS, framework="pt") as weights:
        for key in weights.keys():  # noqa: SIM118 (not a mapping)
            tensor = weights.get_tensor(key)
            total += tensor.numel()
            nonzero += int(tensor.count_nonzero())
    return total, nonzero
