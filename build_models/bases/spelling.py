"""An initialization of embeddings from spelling, for bases pretrained on little text.

With random embeddings, a model must learn for each piece separately that it is capitalised, a number, or shares a
suffix with others. Here the embedding of a piece is a sum of random vectors for its features: case, script, length and
character n-grams, as in fastText (Bojanowski et al. 2017). Positions start as sinusoids (Vaswani et al. 2017). All of
these weights are trained.
"""

import math
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerFast, XLMRobertaForMaskedLM

WORD_START = "▁"
LONGEST_WAVE = 1000.0


def start_from_spelling(model: XLMRobertaForMaskedLM, tokenizer: PreTrainedTokenizerFast, deviation: float) -> None:
    """Set the embeddings of pieces and positions to a standard deviation of about ``deviation``."""
    embeddings = model.roberta.embeddings
    pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    width = model.config.hidden_size
    with torch.no_grad():
        embeddings.word_embeddings.weight.copy_(torch.from_numpy(spelled(pieces, width) * deviation))
        embeddings.position_embeddings.weight.copy_(sinusoids(model.config.max_position_embeddings, width) * deviation)


def sinusoids(positions: int, width: int) -> Tensor:
    """Sines and cosines of shape (positions, width), in pairs of decreasing frequency."""
    place = torch.arange(positions)[:, None]
    frequency = torch.exp(torch.arange(0, width, 2) * (-math.log(LONGEST_WAVE) / width))
    return torch.stack([torch.sin(place * frequency), torch.cos(place * frequency)], dim=-1).flatten(1)


def spelled(pieces: Sequence[str], width: int) -> NDArray[np.float32]:
    """Vectors of shape (pieces, width); pieces that share features have similar vectors."""

    @cache
    def direction(feature: str) -> NDArray[np.float64]:
        return np.random.default_rng(zlib.crc32(feature.encode())).standard_normal(width)

    vectors = np.zeros((len(pieces), width), dtype=np.float32)
    for row, piece in enumerate(pieces):
        features = [weight * direction(name) for name, weight in surface(piece)]
        grams = [direction(gram) for gram in character_grams(piece)]
        if grams:
            features.append(1.5 * np.sum(grams, axis=0) / math.sqrt(len(grams)))
        vectors[row] = np.sum(features, axis=0) / math.sqrt(len(features))
    return vectors


def surface(piece: str) -> Iterator[tuple[str, float]]:
    """Features of a piece and their weights; one is unique to the piece, so that no two embeddings are equal."""
    yield f"piece {piece}", 1.0
    yield ("starts a word" if piece.startswith(WORD_START) else "within a word"), 1.0
    text = piece.removeprefix(WORD_START)
    if text:
        yield f"case {case(text)}", 2.0
        yield f"script {unicodedata.name(text[0], '?').split()[0]}", 0.5
        yield f"length {min(len(text), 6)}", 0.5


def case(text: str) -> str:
    if text.isdigit():
        return "number"
    if text.isupper() and len(text) > 1:
        return "capitals"
    if text[0].isupper():
        return "capitalised"
    return "letters" if text.isalpha() else "other"


def character_grams(piece: str) -> Iterator[str]:
    """Character 2- to 4-grams, prefix and suffix of the piece, lower-cased and NFD-normalized."""
    text = unicodedata.normalize("NFD", piece.removeprefix(WORD_START).lower())
    for size in (2, 3, 4):
        for start in range(len(text) - size + 1):
            yield f"gram {text[start : start + size]}"
    if text:
        yield f"begins {text[:3]}"
        yield f"ends {text[-3:]}"
