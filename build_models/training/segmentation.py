"""Subword regularization: random segmentations of words as training data (Kudo 2018, arXiv 1804.10959).

A tokenizer keeps most words of its own training text whole and splits unknown words into short pieces. A model that is
fine-tuned on the same text would rarely see such pieces, so some words are segmented at random.

SentencePiece's own sampling cannot be seeded per process, and a resumed build must give the same result. So it only
lists the most probable segmentations, once, and sampling happens here.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sentencepiece import SentencePieceProcessor

from service.ner.words import MAX_WORD_CHARACTERS

WAYS = 64
"""Number of most probable segmentations to draw from uniformly (Kudo's l, with alpha 0)."""

LISTED_AT_ONCE = 1_000
"""Words per batch; Python lists of all segmentations would take hundreds of megabytes."""


class Segmentations:
    """The segmentations of each word of a list."""

    def __init__(self, words: Sequence[str], model: Path, vocabulary: Mapping[str, int]):
        """``model`` is a SentencePiece model file; ``vocabulary`` maps its pieces to the tokenizer's ids."""
        processor = SentencePieceProcessor(model_file=str(model))
        ways, lengths, pieces = [], [], []
        for first in range(0, len(words), LISTED_AT_ONCE):
            # The service splits longer words; of a longer word in the data, only the beginning is segmented.
            some_words = [word[:MAX_WORD_CHARACTERS] for word in words[first : first + LISTED_AT_ONCE]]
            some = processor.nbest_encode(some_words, nbest_size=WAYS)
            # A word of ignored characters has no segmentation, or an empty one.
            listed = [[way for way in ways_of_word if way] or [[processor.unk_id()]] for ways_of_word in some]
            flat = list(chain.from_iterable(listed))
            ways.append(np.array([len(ways_of_word) for ways_of_word in listed]))
            lengths.append(np.array([len(way) for way in flat]))
            pieces.append(np.array(list(chain.from_iterable(flat)), dtype=np.int32))
        self._ways = np.concatenate(ways)
        self._first = np.cumsum(self._ways) - self._ways
        self._lengths = np.concatenate(lengths)
        self._starts = np.cumsum(self._lengths) - self._lengths
        names = map(processor.id_to_piece, range(processor.get_piece_size()))
        self._pieces = np.array([vocabulary[name] for name in names], dtype=np.int32)[np.concatenate(pieces)]

    def draw(
        self, words: NDArray[np.intp], random_state: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """A random segmentation for each word id: the concatenated pieces, and the number of pieces per word."""
        way = self._first[words] + random_state.integers(self._ways[words])
        lengths = self._lengths[way]
        return self._pieces[ranges(self._starts[way], lengths)].astype(np.int64), lengths


def ranges(starts: NDArray[np.intp], lengths: NDArray[np.intp]) -> NDArray[np.intp]:
    """The concatenation of the ranges from ``starts`` with the given lengths."""
    return np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
