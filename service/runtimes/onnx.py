"""ONNX Runtime on the CPU: fp32 and dynamically quantized models."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

MODEL = "model.onnx"


class OnnxRuntime:
    """One session. ONNX Runtime sizes its pools from the host, not from what is allowed: threads are set here."""

    def __init__(self, path: Path, threads: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Several sessions share the cores: one that spins while it waits takes them from the others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._inputs = {node.name for node in self._session.get_inputs()}

    def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        feeds = {"input_ids": input_ids[None, :]}
        if "attention_mask" in self._inputs:
            feeds["attention_mask"] = np.ones_like(feeds["input_ids"])
        (logits,) = self._session.run(["logits"], feeds)
        return np.asarray(logits[0], dtype=np.float32)


def load(folder: Path, threads: int) -> OnnxRuntime:
    return OnnxRuntime(folder / MODEL, threads)
