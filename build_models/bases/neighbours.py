"""A start at which a base already looks at the neighbours of a piece.

A small masked-language model stays for thousands of steps at predicting what is frequent, until some head finds out
how to attend by position. Here positions get dimensions of their own, and the first heads of the first layer turn
them so that each attends to one place nearby (the sum of angles turns sines and cosines of one position into those of
another, Vaswani et al. 2017). It is only where training starts from: every number may change.
"""

import math

import torch
from torch import Tensor
from transformers import XLMRobertaForMaskedLM

OFFSETS = (-1, 1, -2, 2)
"""Places that the heads attend to, from where they stand."""

SHARPNESS = 2.0
"""Of the attention: at 2, about nine tenths of it go to the one place."""

FASTEST, SLOWEST = 2.0, 0.05
"""Radians for each position, of the first pair of dimensions and of the last."""


def start_from_neighbours(model: XLMRobertaForMaskedLM, deviation: float) -> None:
    """Set positions, and the queries and keys of up to four heads; the last dimensions of the pieces become zero."""
    size = model.config.hidden_size // model.config.num_attention_heads
    frequencies = torch.exp(torch.linspace(math.log(FASTEST), math.log(SLOWEST), size // 2))
    embeddings = model.roberta.embeddings
    attention = model.roberta.encoder.layer[0].attention.self
    place = torch.arange(model.config.max_position_embeddings)[:, None] * frequencies
    waves = torch.stack([torch.sin(place), torch.cos(place)], dim=-1).flatten(1)
    with torch.no_grad():
        embeddings.word_embeddings.weight[:, -2 * len(frequencies) :] = 0
        embeddings.position_embeddings.weight.zero_()
        embeddings.position_embeddings.weight[:, -2 * len(frequencies) :] = math.sqrt(2) * deviation * waves
        for head, offset in zip(range(model.config.num_attention_heads), OFFSETS, strict=False):
            rows = slice(head * size, head * size + 2 * len(frequencies))
            for projection, turn in ((attention.query, offset), (attention.key, 0)):
                projection.weight[head * size : (head + 1) * size] = 0
                projection.weight[rows, -2 * len(frequencies) :] = math.sqrt(SHARPNESS) * rotation(frequencies * turn)


def rotation(angles: Tensor) -> Tensor:
    """The matrix that turns each pair (sin x, cos x) into (sin(x + angle), cos(x + angle))."""
    turn = torch.zeros(2 * len(angles), 2 * len(angles))
    sines, cosines = torch.arange(0, len(turn), 2), torch.arange(1, len(turn), 2)
    turn[sines, sines] = turn[cosines, cosines] = torch.cos(angles)
    turn[sines, cosines] = torch.sin(angles)
    turn[cosines, sines] = -torch.sin(angles)
    return turn
