"""PyTorch through transformers, as most people run such a model."""

import copy
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

os.environ["HF_HUB_OFFLINE"] = "1"
# Its threads must not spin while they wait: the other variants' sessions need the cores.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

import torch
from transformers import AutoModelForTokenClassification

MOST_THREADS = 4
"""Every thread that calls a model gets a team of its own from OpenMP, and on many CPUs there are as many callers."""


class TorchRuntime:
    """A transformers model loaded from safetensors, in the types that they hold."""

    def __init__(self, folder: Path, threads: int):
        torch.set_num_threads(min(threads, MOST_THREADS))
        mapped = AutoModelForTokenClassification.from_pretrained(
            folder, device_map="cpu", local_files_only=True, use_safetensors=True
        )
        # Its weights are still the file's pages: whoever truncates the file would kill the process.
        self._model = copy.deepcopy(mapped).eval()

    def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.inference_mode():
            pieces = torch.from_numpy(input_ids[None, :])
            logits = self._model(input_ids=pieces, attention_mask=torch.ones_like(pieces)).logits
        return np.asarray(logits[0].float().numpy())


def load(folder: Path, threads: int) -> TorchRuntime:
    return TorchRuntime(folder, threads)
