"""Where models are trained, and in which precision."""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")


def training_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(coarse: bool = False) -> AbstractContextManager[object]:
    """Autocast matrix products to bfloat16 on a GPU and, if ``coarse``, on a CPU that is faster with it."""
    device = training_device().type
    if device == "cuda" or (coarse and faster_in_bfloat16()):
        return torch.autocast(device, torch.bfloat16)
    return nullcontext()


def faster_in_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 faster than fp32; decided by what it is, so that results do not depend on a
    timing.

    Without the instructions, every number is converted. Intel's AVX-512 ones, without AMX, do no more in a cycle than
    those for fp32: with the conversions, a training step takes 1.5 to 1.9 times as long (docs/log.md).
    """
    capabilities = torch.cpu.get_capabilities()
    if capabilities.get("amx_bf16", False) or capabilities.get("bf16", False):
        return True
    return bool(capabilities.get("avx512_bf16", False)) and not made_by_intel()


@cache
def made_by_intel() -> bool:
    """Whether Linux reports an Intel CPU. Systems without /proc/cpuinfo that train here have no AVX-512."""
    try:
        return "GenuineIntel" in CPUINFO.read_text(encoding="utf-8")
    except OSError:
        return False
