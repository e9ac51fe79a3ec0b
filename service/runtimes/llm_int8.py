"""LLM.int8() with bitsandbytes in PyTorch (Dettmers et al. 2022, arXiv 2208.07339), from 8-bit safetensors."""

import logging
from pathlib import Path

# It warns while it is imported, on CPUs for which it looks for other kernels, and on every call about type conversions.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

# transformers would import these itself. Importing them here gives an error that names the package if one is missing.
import accelerate  # noqa: E402, F401
import bitsandbytes  # noqa: E402, F401

from service.runtimes.torch import TorchRuntime  # noqa: E402


def load(folder: Path, threads: int) -> TorchRuntime:
    """Load the model; its configuration selects bitsandbytes' Linear8bitLt for the linear layers."""
    return TorchRuntime(folder, threads)
