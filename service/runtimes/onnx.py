"""ONNX Runtime on the CPU: fp32 and dynamically quantized models."""

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
"""What a session's own threads give way by. While one request is under way they find a free core and help its thread.
While there is one for each core, the helpers hardly run, each thread does all the work of its request by itself, and
none waits for another: two requests on two cores then take as long as on two sessions of one thread each, which would
hold the weights twice.
"""


class OnnxRuntime:
    """One session. ONNX Runtime sizes its pools from the host, not from what is allowed: threads are set here."""

    def __init__(self, path: Path, threads: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Several sessions share the cores: one that spins while it waits takes them from the others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
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
    """Call it so that the threads that it starts give way. They inherit that from a thread which ends with the call,
    for it may not be taken back.
    """
    if sys.platform != "linux":
        # Elsewhere not a thread but the whole process is nice.
        return make()

    def give_way() -> None:
        # Where a sandbox forbids it, more than one request at a time is slower, and that is all.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, get_native_id(), HELPERS_NICE)

    with ThreadPoolExecutor(1, initializer=give_way) as starter:
        return starter.submit(make).result()


def load(folder: Path, threads: int) -> OnnxRuntime:
    return OnnxRuntime(folder / MODEL, threads)
