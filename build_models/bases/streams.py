"""Packed rows of pieces out of the texts of several languages, drawn at random and again the same after a kill."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from build_models.errors import BuildError
from build_models.progress import progress

LINES_AT_ONCE = 2000


class Streams:
    """The pieces of each language end to end, every line ended by </s>, and how often each language is drawn."""

    def __init__(self, pieces: Mapping[str, NDArray[np.uint32]], exponent: float, row_length: int, begin: int):
        """Rows have ``row_length`` pieces, the first of them ``begin``. Raises ``BuildError`` for too short a text."""
        for language, text in pieces.items():
            if len(text) < row_length:
                raise BuildError(
                    f"The text of {language} has {len(text)} pieces, fewer than a row of {row_length}:"
                    " give more of it, or leave the language out with --languages"
                )
        self.pieces = pieces
        self.probabilities = sampling_probabilities([len(text) for text in pieces.values()], exponent)
        self.row_length = row_length
        self.begin = begin

    def draw(self, count: int, seed: int, step: int) -> Tensor:
        """Rows of shape (count, row_length), each cut at a random place of a random language's text."""
        random_state = np.random.default_rng((seed, step))
        texts = list(self.pieces.values())
        rows = np.full((count, self.row_length), self.begin, dtype=np.int64)
        for row, language in zip(rows, random_state.choice(len(texts), size=count, p=self.probabilities), strict=True):
            start = random_state.integers(len(texts[language]) - self.row_length + 2)
            row[1:] = texts[language][start : start + self.row_length - 1]
        return torch.from_numpy(rows)

    def describe(self, rows: int) -> str:
        """How often so many rows go through the text of each language."""
        return "; ".join(
            f"{language} {len(text):,} pieces, seen {rows * self.row_length * share / len(text):.1f} times"
            for (language, text), share in zip(self.pieces.items(), self.probabilities, strict=True)
        )


def sampling_probabilities(sizes: Sequence[int], exponent: float) -> NDArray[np.float64]:
    """How often each language is drawn: its share of the text to the power of ``exponent``, made to sum to one.

    1 draws in proportion to the text there is, 0 draws all languages alike (Conneau & Lample 2019).
    """
    shares = (np.asarray(sizes, dtype=np.float64) / sum(sizes)) ** exponent
    return np.asarray(shares / shares.sum())


def encode_lines(tokenizer: PreTrainedTokenizerFast, lines: Sequence[str], language: str) -> NDArray[np.uint32]:
    """The pieces of all lines end to end, each line ended by </s>."""
    parts: list[NDArray[np.uint32]] = []
    with progress(f"pieces of {language}", len(lines)) as advance:
        for first in range(0, len(lines), LINES_AT_ONCE):
            some = list(lines[first : first + LINES_AT_ONCE])
            for pieces in tokenizer(some, add_special_tokens=False)["input_ids"]:
                parts.append(np.array([*pieces, tokenizer.eos_token_id], dtype=np.uint32))
            advance(len(some))
    return np.concatenate(parts)


def kept_streams(
    tokenizer: PreTrainedTokenizerFast, texts: Mapping[str, Sequence[str]], folder: Path
) -> dict[str, NDArray[np.uint32]]:
    """The same for several languages, kept in ``folder`` so that it is done once and takes no memory."""
    folder.mkdir(parents=True, exist_ok=True)
    for language, lines in texts.items():
        path = folder / f"{language}.npy"
        if not path.exists():
            draft = folder / f".{language}.npy"
            np.save(draft, encode_lines(tokenizer, lines, language))
            draft.replace(path)
    return {language: np.load(folder / f"{language}.npy", mmap_mode="r") for language in texts}
