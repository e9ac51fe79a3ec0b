"""Words in shorter pieces than the tokenizer's own, so that training shows what words look like that nobody has seen.

A tokenizer keeps the words of the text that it was made from whole, or nearly so, and breaks others into short pieces.
A model that is fine-tuned on that same text has then hardly met the form in which an unknown name comes. So pieces of
some words are split into shorter ones that spell the same: subword regularization (Kudo 2018, Provilkov et al. 2020)
within a batch that is in pieces already.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from build_models.spelling import WORD_START

PIECES_SPLIT = 0.5
"""Of those of a word that is chosen; where a piece can be split in several ways, each is as likely."""


class Splitter:
    """Knows shorter pieces for every piece of a vocabulary."""

    def __init__(self, pieces: Sequence[str]):
        """``pieces`` is the vocabulary in order."""
        numbers = {piece: number for number, piece in enumerate(pieces)}
        longest = max(map(len, pieces))
        ways = [ways_to_split(piece, numbers, longest) for piece in pieces]
        self._ways = np.array([len(some) for some in ways])
        self._first = np.cumsum(self._ways) - self._ways
        # One more, so that there is something to look up in a vocabulary without any.
        flat = [way for some in ways for way in some] + [[0]]
        self._lengths = np.array([len(way) for way in flat])
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._parts = np.array([part for way in flat for part in way])

    def split(
        self, pieces: NDArray[np.int64], chosen: NDArray[np.bool_], random_state: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """Split some of the ``chosen`` pieces; returns the new ones and, for each, which of the old it comes from."""
        ways = self._ways[pieces]
        goes = chosen & (ways > 0) & (random_state.random(len(pieces)) < PIECES_SPLIT)
        way = np.where(goes, self._first[pieces] + (random_state.random(len(pieces)) * ways).astype(np.intp), -1)
        lengths = np.where(goes, self._lengths[way], 1)
        origin = np.repeat(np.arange(len(pieces)), lengths)
        within = np.arange(len(origin)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        parts = self._parts[self._starts[way[origin]] + np.where(goes[origin], within, 0)]
        return np.where(goes[origin], parts, pieces[origin]), origin


def ways_to_split(piece: str, numbers: Mapping[str, int], longest: int) -> list[list[int]]:
    """For each shorter piece that ``piece`` begins with: that one and the longest that spell the rest.

    The mark of a word's beginning is no such piece.
    """
    ways = []
    for cut in range(1 + piece.startswith(WORD_START), len(piece)):
        way, start, end = [], 0, cut
        while end > start:
            if piece[start:end] in numbers:
                way.append(numbers[piece[start:end]])
                start, end = end, min(len(piece), end + longest)
            elif start == 0:
                break
            else:
                end -= 1
        if start == len(piece):
            ways.append(way)
    return ways
