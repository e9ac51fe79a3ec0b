"""Sentences of data in the service's windows. They repeat most of their words, so each word is tokenized once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from service.evaluation.conll import Sentence
from service.ner.encoder import Encoder, Tokens, Window


def distinct_words(sentences: Iterable[Sentence]) -> list[str]:
    """The distinct words in order of first occurrence."""
    return list(dict.fromkeys(word for sentence in sentences for word in sentence.words))


def pieces_of_words(words: Sequence[str], encoder: Encoder) -> dict[str, list[int]]:
    """The pieces of each word."""
    tokens = encoder.encode_all(words)
    pieces: dict[str, list[int]] = {}
    end = len(tokens.pieces)
    for word, head in zip(reversed(words), reversed(tokens.heads), strict=True):
        pieces[word] = tokens.pieces[head:end] if head >= 0 else []
        end = head if head >= 0 else end
    return pieces


def windows_of(
    sentences: Sequence[Sentence], encoder: Encoder, pieces_of: Mapping[str, list[int]]
) -> Iterator[tuple[int, NDArray[np.intp], Window]]:
    """The number of the sentence, the places of the words that are labelled in the window, and the window."""
    for number, sentence in enumerate(sentences):
        for places, window in encoder.windows(_tokens_of(sentence.words, pieces_of)):
            yield number, places, window


def _tokens_of(words: Sequence[str], pieces_of: Mapping[str, list[int]]) -> Tokens:
    """What the encoder gives for these words together."""
    tokens = Tokens()
    for word in words:
        pieces = pieces_of[word]
        tokens.heads.append(len(tokens.pieces) if pieces else -1)
        tokens.pieces += pieces
    return tokens
