"""PyTorch through transformers."""

import copy
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

os.environ["HF_HUB_OFFLINE"] = "1"
# Spinning threads would take cores from other variants' sessions.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

import torch
from transformers import AutoModelForTokenClassification
from transformers.utils.logging import disable_progress_bar

# Its bar over the weights would be a line in the service's log.
disable_progress_bar()

MOST_THREADS = 4
"""Maximum threads, because OpenMP creates a team of them for every calling thread."""


class TorchRuntime:
    """A transformers model loaded from safetensors in the stored types."""

    def __init__(self, folder: Path, threads: int):
        torch.set_num_threads(min(threads, MOST_THREADS))
        mapped = AutoModelForTokenClassification.from_pretrained(
            folder, device_map="cpu", local_files_only=True, use_safetensors=True
        )
        # Copied, because truncating the memory-mapped file would crash the process.
        self._model = copy.deepcopy(mapped).eval()

    def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.inference_mode():
            pieces = torch.from_numpy(input_ids[None, :])
            logits = self._model(input_ids=pieces, attention_mask=torch.ones_like(pieces)).logits
        return np.asarray(logits[0].float().numpy())


def load(folder: Path, threads: int) -> TorchRuntime:
    return TorchRuntime(folder, threads)
