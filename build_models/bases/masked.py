"""Masked-language models with XLM-R's architecture and RoBERTa's objective."""

import math

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForMaskedLM

from build_models.architectures import last_special
from build_models.bases.neighbours import start_from_neighbours
from build_models.bases.shapes import Shape
from build_models.bases.spelling import start_from_spelling


def model_config(shape: Shape, vocabulary: int, positions: int, dropout: float) -> XLMRobertaConfig:
    """An XLM-R configuration with the dimensions of ``shape`` and ``positions`` positions."""
    return XLMRobertaConfig(
        vocab_size=vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=positions + 2,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        # XLM-R's 0.02 is meant for widths of 768 and more; narrow models need larger weights.
        initializer_range=max(0.02, 0.7 / math.sqrt(shape.width)),
    )


def new_model(
    shape: Shape, tokenizer: PreTrainedTokenizerFast, positions: int, dropout: float, neighbours: bool = False
) -> XLMRobertaForMaskedLM:
    """An untrained model with spelling-based embeddings and, with ``neighbours``, heads that attend to neighbours."""
    config = model_config(shape, len(tokenizer), positions, dropout)
    model = XLMRobertaForMaskedLM(config)
    start_from_spelling(model, tokenizer, config.initializer_range)
    if neighbours:
        start_from_neighbours(model, config.initializer_range)
    return model


def hide(pieces: Tensor, share: float, config: PretrainedConfig, mask: int) -> tuple[Tensor, Tensor]:
    """Choose ``share`` of the pieces at random: 80% of them become ``mask``, 10% a random piece, 10% stay.

    The special pieces at the beginning of the vocabulary are not chosen, and <mask> at its end is not drawn. Returns
    the input pieces and a boolean mask of the chosen ones, both of the shape of ``pieces``.
    """
    special = last_special(config)
    chosen = (torch.rand(pieces.shape) < share) & (pieces > special)
    fate = torch.rand(pieces.shape)
    shown = torch.where(chosen & (fate < 0.8), mask, pieces)
    shown = torch.where(chosen & (fate > 0.9), torch.randint_like(pieces, special + 1, config.vocab_size - 1), shown)
    return shown, chosen


def hidden_logits(model: XLMRobertaForMaskedLM, shown: Tensor, chosen: Tensor) -> Tensor:
    """Logits of shape (chosen pieces, vocabulary), computed only for the chosen pieces: the vocabulary is large."""
    logits: Tensor = model.lm_head(model.roberta(input_ids=shown).last_hidden_state[chosen])
    return logits


def masked_loss(model: XLMRobertaForMaskedLM, pieces: Tensor, share: float, mask: int) -> Tensor:
    """The mean cross entropy of predicting a masked ``share`` of ``pieces``, of shape (rows, pieces)."""
    shown, chosen = hide(pieces, share, model.config, mask)
    device = model.device
    logits = hidden_logits(model, shown.to(device), chosen.to(device))
    return torch.nn.functional.cross_entropy(logits, pieces[chosen].to(device))
