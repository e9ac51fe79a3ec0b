"""What models say, in the forms in which the tests compare them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForTokenClassification

from service.evaluation.conll import Sentence
from service.ner.pipeline import Pipeline, log_softmax

LENGTHS = (1, 2, 7, 33, 62)
"""Pieces of the windows on which exports are compared with their checkpoints, special tokens not counted."""


def window(pieces: int, vocabulary: int) -> NDArray[np.int64]:
    """A window of pieces drawn by chance between <s> and </s>."""
    drawn = np.random.default_rng(pieces).integers(4, vocabulary - 1, size=pieces)
    return np.concatenate(([0], drawn, [2])).astype(np.int64)


def checkpoint_logits(checkpoint: Path, windows: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
    """What PyTorch computes from a checkpoint in fp32, one window at a time."""
    model = AutoModelForTokenClassification.from_pretrained(checkpoint, local_files_only=True).eval()
    with torch.inference_mode():
        return [np.asarray(model(input_ids=torch.from_numpy(ids[None, :])).logits[0].numpy()) for ids in windows]


def largest_difference(pipeline: Pipeline, checkpoint: Path) -> float:
    """Between the logits of a loaded artefact and those of a checkpoint, over windows of several lengths."""
    vocabulary = len(pipeline.encoder._tokenizer.get_vocab())
    windows = [window(pieces, vocabulary) for pieces in LENGTHS]
    theirs = checkpoint_logits(checkpoint, windows)
    return max(
        float(np.abs(pipeline.runtime.logits(ids) - logits).max()) for ids, logits in zip(windows, theirs, strict=True)
    )


def word_probabilities(pipeline: Pipeline, sentences: Sequence[Sentence]) -> NDArray[np.float64]:
    """The probability of every label for every word, of shape (words, labels)."""
    return np.concatenate(
        [
            np.exp(log_softmax(pipeline.runtime.logits(read.input_ids)[read.heads]))
            for sentence in sentences
            for _, read in pipeline.encoder.windows(pipeline.encoder.encode_all(sentence.words))
        ]
    )
