"""An initialization in which a base already attends to neighbouring pieces.

A small masked-language model predicts little but frequent pieces for thousands of steps, until some head learns to
attend by position. Here positions have their own dimensions, and the first heads of the first layer rotate them so
that each attends to one neighbour (a rotation maps the sinusoids of one position to those of another, Vaswani et al.
2017). All of these weights are trained.
"""

import math

import torch
from torch import Tensor
from transformers import XLMRobertaForMaskedLM

OFFSETS = (-1, 1, -2, 2)
"""Relative positions that the first heads attend to."""

SHARPNESS = 2.0
"""Scale of the attention logits: at 2, about 90% of the attention goes to the one position."""

FASTEST, SLOWEST = 2.0, 0.05
"""Frequencies of the first and the last pair of dimensions, in radians per position."""


def start_from_neighbours(model: XLMRobertaForMaskedLM, deviation: float) -> None:
    """Set position embeddings and the queries and keys of up to four heads; clear those dimensions of the pieces."""
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
    """The matrix that maps each pair (sin x, cos x) to (sin(x + angle), cos(x + angle))."""
    turn = torch.zeros(2 * len(angles), 2 * len(angles))
    sines, cosines = torch.arange(0, len(turn), 2), torch.arange(1, len(turn), 2)
    turn[sines, sines] = turn[cosines, cosines] = torch.cos(angles)
    turn[sines, cosines] = torch.sin(angles)
    turn[cosines, sines] = -torch.sin(angles)
    return turn
