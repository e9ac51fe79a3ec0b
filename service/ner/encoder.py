"""Encodes words with an artefact's tokenizer and arranges them in overlapping windows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from service.ner.words import ESCAPED_QUOTE, WORDS_AT_ONCE

CHARACTERS_AT_ONCE = 4096
"""Maximum characters per step, because tokens can be long and the tokenizer holds the GIL."""

CHARACTERS_OF_A_PIECE = 8
"""Words are cut to this many characters per piece of a window; later pieces would not be used."""


class Window(NamedTuple):
    """The pieces of one inference; ``heads`` are the positions of the first pieces of the words to label."""

    input_ids: NDArray[np.int64]
    heads: NDArray[np.intp]


@dataclass
class Tokens:
    """Encoded words: their pieces, and for each word the index of its first piece, or -1 if it has none."""

    pieces: list[int] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)


class Encoder:
    """A tokenizer with windows of ``max_length`` pieces."""

    def __init__(self, tokenizer: Tokenizer, max_length: int, overlap: int):
        """Neighbouring windows share ``overlap`` pieces.

        Raises ``ValueError`` if ``overlap`` is too large or the tokenizer lacks XLM-R's special pieces.
        """
        self.capacity = max_length - 2
        if not 0 <= overlap < self.capacity:
            raise ValueError(f"an overlap of {overlap} pieces does not fit windows of {max_length}")
        self.overlap = overlap
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # Treat "<mask>" in a text as text. The vocabulary still contains it, so encode() replaces special pieces.
        self._tokenizer.encode_special_tokens = True
        self._begin, self._end = self._frame()
        self._unknown = self._unknown_piece()
        added = self._tokenizer.get_added_tokens_decoder()
        self._specials = {identifier for identifier, token in added.items() if token.special} | {self._begin, self._end}

    @classmethod
    def from_folder(cls, folder: Path, max_length: int, overlap: int) -> "Encoder":
        return cls(Tokenizer.from_buffer((folder / "tokenizer.json").read_bytes()), max_length, overlap)

    def _frame(self) -> tuple[int, int]:
        """The pieces that a window begins and ends with: those that the tokenizer's post-processor puts around text."""
        empty: list[str] = []
        framed = self._tokenizer.encode(empty, is_pretokenized=True).ids
        if len(framed) != 2:
            raise ValueError(f"the tokenizer puts {len(framed)} special pieces around a text; windows need one and one")
        return framed[0], framed[1]

    def _unknown_piece(self) -> int:
        for piece in (getattr(self._tokenizer.model, "unk_token", None), "<unk>", "[UNK]"):
            identifier = None if piece is None else self._tokenizer.token_to_id(piece)
            if identifier is not None:
                return int(identifier)
        raise ValueError("the tokenizer has no piece for what is unknown")

    def encode(self, words: Sequence[str]) -> Iterator[Tokens]:
        """Encode each word separately; yields the same object, with more words, after each step.

        Words with more pieces than a window keep their first ones. Words without pieces, such as zero-width characters,
        are left out of the windows.
        """
        tokens = Tokens()
        for some in self._parts(words):
            encoding = self._tokenizer.encode(some, is_pretokenized=True, add_special_tokens=False)
            previous, count = -1, 0
            heads = [-1] * len(some)
            for piece, word in zip(encoding.ids, encoding.word_ids, strict=True):
                if word != previous:
                    heads[word], previous, count = len(tokens.pieces), word, 0
                count += 1
                if count <= self.capacity:
                    tokens.pieces.append(self._unknown if piece in self._specials else piece)
            tokens.heads += heads
            yield tokens

    def _parts(self, words: Sequence[str]) -> Iterator[list[str]]:
        """The words, cut to the usable length, in batches that are tokenized quickly."""
        longest = CHARACTERS_OF_A_PIECE * self.capacity
        part: list[str] = []
        characters = 0
        for word in words:
            cut = '"' if word == ESCAPED_QUOTE else word[:longest]
            if part and (len(part) == WORDS_AT_ONCE or characters + len(cut) > CHARACTERS_AT_ONCE):
                yield part
                part, characters = [], 0
            part.append(cut)
            characters += len(cut)
        if part:
            yield part

    def encode_all(self, words: Sequence[str]) -> Tokens:
        """Encode all words at once."""
        tokens = Tokens()
        for tokens in self.encode(words):  # noqa: B007 (the last one has all words)
            pass
        return tokens

    def windows(self, tokens: Tokens) -> Iterator[tuple[NDArray[np.intp], Window]]:
        """Split encoded words into windows; yields the indices of the words to label in each window, and the window.

        Windows contain whole words. A word in the overlap of two windows is labelled in the one with more context.
        """
        heads = np.asarray(tokens.heads, dtype=np.intp)
        words = np.flatnonzero(heads >= 0)
        if not words.size:
            return
        heads = heads[words]
        if len(tokens.pieces) <= self.capacity:
            # Fast path for nearly every sentence.
            yield words, Window(np.array([self._begin, *tokens.pieces, self._end], dtype=np.int64), heads + 1)
            return
        pieces = np.asarray(tokens.pieces, dtype=np.int64)
        spans = list(self._spans(np.append(heads, len(pieces))))
        middles = [(following[0] + span[1]) / 2 for span, following in pairwise(spans)]
        borders = [0, *np.searchsorted(heads, middles), len(words)]
        for (start, end), (first, last) in zip(spans, pairwise(borders), strict=True):
            ids = np.concatenate(([self._begin], pieces[start:end], [self._end])).astype(np.int64)
            yield words[first:last], Window(ids, heads[first:last] - start + 1)

    def _spans(self, bounds: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
        """Starts and ends of windows, in pieces; ``bounds`` has the starts of all words and the end of the last."""
        total = int(bounds[-1])
        start = end = 0
        while end < total:
            previous, end = end, int(bounds[np.searchsorted(bounds, start + self.capacity, side="right") - 1])
            # Before a very long word, a window may have no new pieces.
            if end > previous:
                yield start, end
            following = int(bounds[np.searchsorted(bounds, end - self.overlap)])
            start = following if following > start else int(bounds[np.searchsorted(bounds, start, side="right")])
