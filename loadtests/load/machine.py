"""Describes the machine that measures."""

import os
import platform
from pathlib import Path

import psutil


def machine() -> dict[str, str]:
    """CPU, memory and software of this machine."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = (line.partition(":") for line in info.read_text().splitlines())
        model = next((value.strip() for name, _, value in lines if name.strip() == "model name"), model)
    return {
        "cpu": model,
        "cores": str(psutil.cpu_count()),
        "cores allowed": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
    }
