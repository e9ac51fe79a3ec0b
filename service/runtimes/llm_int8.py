"""LLM.int8() by bitsandbytes in PyTorch (Dettmers et al. 2022, arXiv 2208.07339), loaded from 8-bit safetensors."""

import logging
from pathlib import Path

from service.runtimes.torch import TorchRuntime

# It warns on every call where the CPU computes in another type than the one stored, and of kernels that are not used.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def load(folder: Path, threads: int) -> TorchRuntime:
    """The configuration in ``folder`` makes transformers load the linear layers as bitsandbytes' Linear8bitLt."""
    return TorchRuntime(folder, threads)
