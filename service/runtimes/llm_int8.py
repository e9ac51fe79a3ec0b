"""LLM.int8() with bitsandbytes in PyTorch (Dettmers et al. 2022, arXiv 2208.07339), from 8-bit safetensors."""

import logging
from pathlib import Path

# What transformers imports by itself is imported here, so that a package that is not installed is named.
import accelerate  # noqa: F401
import bitsandbytes  # noqa: F401

from service.runtimes.torch import TorchRuntime

# It warns on every call about type conversions and unused kernels.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def load(folder: Path, threads: int) -> TorchRuntime:
    """Load the model; its configuration selects bitsandbytes' Linear8bitLt for the linear layers."""
    return TorchRuntime(folder, threads)
