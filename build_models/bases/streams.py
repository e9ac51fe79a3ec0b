"""Random rows of pieces from the texts of several languages, reproducible by seed and step."""

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
    """The pieces of each language, lines terminated by </s>, and the probability of sampling each language."""

    def __init__(self, pieces: Mapping[str, NDArray[np.uint32]], exponent: float, row_length: int, begin: int):
        """Rows have ``row_length`` pieces and start with ``begin``. Raises ``BuildError`` if a text is too short."""
        for language, text in pieces.items():
            if len(text) < row_length:
                raise BuildError(
                    f"The text of {language} has {len(text)} pieces, fewer than a row of {row_length}:"
                    " add more text, or exclude the language with --languages"
                )
        self.pieces = pieces
        self.probabilities = sampling_probabilities([len(text) for text in pieces.values()], exponent)
        self.row_length = row_length
        self.begin = begin

    def draw(self, count: int, seed: int, step: int) -> Tensor:
        """Rows of shape (count, row_length), each a random slice of a random language's text."""
        random_state = np.random.default_rng((seed, step))
        texts = list(self.pieces.values())
        rows = np.full((count, self.row_length), self.begin, dtype=np.int64)
        for row, language in zip(rows, random_state.choice(len(texts), size=count, p=self.probabilities), strict=True):
            start = random_state.integers(len(texts[language]) - self.row_length + 2)
            row[1:] = texts[language][start : start + self.row_length - 1]
        return torch.from_numpy(rows)

    def describe(self, rows: int) -> str:
        """How many epochs over each language's text ``rows`` amount to."""
        return "; ".join(
            f"{language}: {len(text):,} pieces, {rows * self.row_length * share / len(text):.1f} epochs"
            for (language, text), share in zip(self.pieces.items(), self.probabilities, strict=True)
        )


def sampling_probabilities(sizes: Sequence[int], exponent: float) -> NDArray[np.float64]:
    """Sampling probabilities of languages: shares of the text to the power ``exponent``, normalized.

    1 samples in proportion to size, 0 samples all languages equally (Conneau & Lample 2019).
    """
    shares = (np.asarray(sizes, dtype=np.float64) / sum(sizes)) ** exponent
    return np.asarray(shares / shares.sum())


def encode_lines(tokenizer: PreTrainedTokenizerFast, lines: Sequence[str], language: str) -> NDArray[np.uint32]:
    """The concatenated pieces of all lines, each line terminated by </s>."""
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
    """``encode_lines`` for each language, cached as memory-mapped files in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for language, lines in texts.items():
        path = folder / f"{language}.npy"
        if not path.exists():
            draft = folder / f".{language}.npy"
            np.save(draft, encode_lines(tokenizer, lines, language))
            draft.replace(path)
    return {language: np.load(folder / f"{language}.npy", mmap_mode="r") for language in texts}
