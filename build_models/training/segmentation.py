"""Words in other pieces than the tokenizer's own, so that training shows what words look like that nobody has seen.

A tokenizer keeps the words of the text that it was made from whole, or nearly so, and breaks others into short pieces.
A model that is fine-tuned on that same text has then hardly met the form in which an unknown name comes. So now and
then a word is shown in pieces drawn from those that spell it: subword regularization (Kudo 2018, arXiv 1804.10959).

SentencePiece draws by itself, too, but other pieces in every process, and a build must come to the same after a kill.
So it only lists a word's most probable ways, once, and they are drawn from here.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sentencepiece import SentencePieceProcessor

from service.ner.words import MAX_WORD_CHARACTERS

WAYS = 64
"""At most so many for a word, the most probable ones; each is drawn as often (Kudo's l, and an alpha of 0)."""

LISTED_AT_ONCE = 1_000
"""Words: as lists, all ways of all of them would take some hundred megabytes."""


class Segmentations:
    """The ways to spell each word of a vocabulary."""

    def __init__(self, words: Sequence[str], model: Path, vocabulary: Mapping[str, int]):
        """``model`` is a file of SentencePiece's, ``vocabulary`` the tokenizer's numbers for its pieces."""
        processor = SentencePieceProcessor(model_file=str(model))
        ways, lengths, pieces = [], [], []
        for first in range(0, len(words), LISTED_AT_ONCE):
            # No word of a text is longer; of one that data gives, what it begins with is shown in other pieces.
            some_words = [word[:MAX_WORD_CHARACTERS] for word in words[first : first + LISTED_AT_ONCE]]
            some = processor.nbest_encode(some_words, nbest_size=WAYS)
            # A word of nothing but what SentencePiece leaves out has no way, or an empty one.
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
        """Pieces for each of these words, by their numbers: all of them one after the other, and how many each has."""
        way = self._first[words] + random_state.integers(self._ways[words])
        lengths = self._lengths[way]
        return self._pieces[ranges(self._starts[way], lengths)].astype(np.int64), lengths


def ranges(starts: NDArray[np.intp], lengths: NDArray[np.intp]) -> NDArray[np.intp]:
    """All numbers of the ranges that begin at ``starts``, one range after the other."""
    return np.arange(lengths.sum()) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
