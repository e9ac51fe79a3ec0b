"""The masked-language model that bases are: XLM-R's architecture from scratch, and RoBERTa's objective."""

import math

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForMaskedLM

from build_models.bases.neighbours import start_from_neighbours
from build_models.bases.shapes import Shape
from build_models.bases.spelling import start_from_spelling

SPECIAL_PIECES = 4
"""<s>, <pad>, </s> and <unk> come first in XLM-R's vocabulary, <mask> last."""


def model_config(shape: Shape, vocabulary: int, positions: int, dropout: float) -> XLMRobertaConfig:
    """XLM-R's configuration in the dimensions of ``shape``, for ``positions`` pieces at most."""
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
        # XLM-R's 0.02 is meant for 768 and more; a narrow model needs more to begin with.
        initializer_range=max(0.02, 0.7 / math.sqrt(shape.width)),
    )


def new_model(
    shape: Shape, tokenizer: PreTrainedTokenizerFast, positions: int, dropout: float, neighbours: bool = False
) -> XLMRobertaForMaskedLM:
    """A model that knows nothing but how its pieces are spelt and, if asked for, which stand next to each other."""
    config = model_config(shape, len(tokenizer), positions, dropout)
    model = XLMRobertaForMaskedLM(config)
    start_from_spelling(model, tokenizer, config.initializer_range)
    if neighbours:
        start_from_neighbours(model, config.initializer_range)
    return model


def hide(pieces: Tensor, share: float, vocabulary: int, mask: int) -> tuple[Tensor, Tensor]:
    """Choose ``share`` of the pieces anew each time: 80% of them become ``mask``, 10% a random piece, 10% stay.

    Returns the pieces as they are shown and, of the same shape, True where one was chosen.
    """
    chosen = (torch.rand(pieces.shape) < share) & (pieces >= SPECIAL_PIECES)
    fate = torch.rand(pieces.shape)
    shown = torch.where(chosen & (fate < 0.8), mask, pieces)
    shown = torch.where(chosen & (fate > 0.9), torch.randint_like(pieces, SPECIAL_PIECES, vocabulary - 1), shown)
    return shown, chosen


def hidden_logits(model: XLMRobertaForMaskedLM, shown: Tensor, chosen: Tensor) -> Tensor:
    """Logits of shape (chosen pieces, vocabulary).

    The vocabulary is far wider than the model, so they are made only where something was hidden.
    """
    logits: Tensor = model.lm_head(model.roberta(input_ids=shown).last_hidden_state[chosen])
    return logits


def masked_loss(model: XLMRobertaForMaskedLM, pieces: Tensor, share: float, mask: int) -> Tensor:
    """Hide a share of the pieces, of shape (rows, pieces), and score how well the model finds them."""
    shown, chosen = hide(pieces, share, model.config.vocab_size, mask)
    device = model.device
    logits = hidden_logits(model, shown.to(device), chosen.to(device))
    return torch.nn.functional.cross_entropy(logits, pieces[chosen].to(device))
