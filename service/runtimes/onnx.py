"""ONNX Runtime on the CPU, for fp32 and dynamically quantized models."""

import contextlib
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import get_native_id
from typing import TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray

T = TypeVar("T")

MODEL = "model.onnx"

HELPERS_NICE = 19
"""Niceness of a session's helper threads, so that they use only idle cores. When each core runs a request, two requests
on two cores take as long as with two single-threaded sessions, which would need twice the memory.
"""


class OnnxRuntime:
    """One session. The number of threads is explicit because ONNX Runtime's default ignores CPU limits."""

    def __init__(self, path: Path, threads: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads would take cores from other sessions.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        weights = path.with_name(f"{path.name}_data")
        if weights.exists():
            # Left to itself, ONNX Runtime maps this file, and truncating it would crash the process.
            content = weights.read_bytes()
            options.add_external_initializers_from_files_in_memory([weights.name], [content], [len(content)])
        self._session = _with_nice_threads(
            lambda: onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        )
        self._inputs = {node.name for node in self._session.get_inputs()}

    def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        feeds = {"input_ids": input_ids[None, :]}
        if "attention_mask" in self._inputs:
            feeds["attention_mask"] = np.ones_like(feeds["input_ids"])
        if "token_type_ids" in self._inputs:
            feeds["token_type_ids"] = np.zeros_like(feeds["input_ids"])
        (logits,) = self._session.run(["logits"], feeds)
        return np.asarray(logits[0], dtype=np.float32)


def _with_nice_threads(make: Callable[[], T]) -> T:
    """Call ``make`` so that the threads that it starts are nice.

    They inherit the niceness of a temporary thread, because lowering it again needs privileges.
    """
    if sys.platform != "linux":
        # Elsewhere, niceness applies to the whole process.
        return make()

    def give_way() -> None:
        # If a sandbox forbids it, concurrent requests are slower.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, get_native_id(), HELPERS_NICE)

    with ThreadPoolExecutor(1, initializer=give_way) as starter:
        return starter.submit(make).result()


def load(folder: Path, threads: int) -> OnnxRuntime:
    return OnnxRuntime(folder / MODEL, threads)
