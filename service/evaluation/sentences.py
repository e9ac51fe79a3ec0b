"""Labels many sentences that are already split into words, as ``Pipeline.read_words`` labels each of them.

Every sentence has a run of the model to itself, for its labels must be those that ``/ner`` gives. What stands around
the runs is done for a group at once: a word is tokenized once, however often it comes, and the labels of the group are
decoded together.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from service.ner.encoder import Encoder, Tokens
from service.ner.pipeline import Pipeline, check_finite, log_softmax
from service.ner.timing import Timer

MOST_KNOWN = 50_000
"""Words whose pieces are remembered; then it begins anew."""


class KnownWords:
    """The pieces of words that were met before. For pipelines whose encoders have one ``identity``."""

    def __init__(self, encoder: Encoder):
        self.encoder = encoder
        self._pieces: dict[str, list[int]] = {}

    def learn(self, words: Iterable[str]) -> Generator[None, None, dict[str, list[int]]]:
        """The pieces of these words and others, those that are new tokenized now; yields between steps."""
        if len(self._pieces) > MOST_KNOWN:
            # Another, not emptied: the last step of a check that was cancelled may still read from it.
            self._pieces = {}
        known = self._pieces
        new = list(dict.fromkeys(word for word in words if word not in known))
        tokens = Tokens()
        for tokens in self.encoder.encode(new):  # noqa: B007 (the last one holds all)
            yield
        end = len(tokens.pieces)
        for word, head in zip(reversed(new), reversed(tokens.heads), strict=True):
            known[word] = tokens.pieces[head:end] if head >= 0 else []
            end = head if head >= 0 else end
        return known


def join_pieces(words: Iterable[str], known: Mapping[str, list[int]]) -> Tokens:
    """What the encoder gives for these words together."""
    tokens = Tokens()
    for word in words:
        pieces = known[word]
        tokens.heads.append(len(tokens.pieces) if pieces else -1)
        tokens.pieces += pieces
    return tokens


def label_group(
    pipeline: Pipeline, sentences: Sequence[Sequence[str]], timer: Timer, known: KnownWords
) -> Generator[None, None, NDArray[np.intp]]:
    """The labels of all words of the sentences, one sentence after the other, as places in the pipeline's list.

    Yields between steps. Meant for some hundred sentences at most: what the model says of all of them is held at once.
    """
    scheme = pipeline.scheme
    pieces_of = yield from timer.tokenize.over(known.learn(word for words in sentences for word in words))
    begins = [0, *accumulate(map(len, sentences))]
    answers: list[NDArray[np.float32]] = []
    decided: list[NDArray[np.intp]] = []
    heads: list[NDArray[np.intp]] = []
    pieces = 0
    for begin, words in zip(begins, sentences, strict=False):
        with timer.tokenize:
            windows = list(known.encoder.windows(join_pieces(words, pieces_of)))
        for places, window in windows:
            with timer.inference:
                answers.append(pipeline.runtime.logits(window.input_ids))
            decided.append(places + begin)
            heads.append(window.heads + pieces)
            pieces += len(window.input_ids)
            yield
    timer.pieces += pieces
    with timer.decode:
        log_probabilities = scheme.certainly_outside(begins[-1])
        if answers:
            logits = np.concatenate(answers)
            check_finite(logits)
            log_probabilities[np.concatenate(decided)] = log_softmax(logits[np.concatenate(heads)])
    # An empty sentence has no path.
    starts = np.array([begin for begin, words in zip(begins, sentences, strict=False) if words], dtype=np.intp)
    path = yield from timer.decode.over(scheme.best_paths(log_probabilities, starts))
    return path
