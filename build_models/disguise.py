"""Names disguised while training, so that a model goes by what stands around a name and by how names look.

A small model learns the names of its training sentences by heart and then has little reason to read the rest of the
sentence. Some names are therefore hidden, and some respelled with random pieces of the same kind: other names that
nobody has seen, in the same place.
"""

import unicodedata
from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from build_models.layout import IGNORED, LAST_SPECIAL, UNKNOWN
from build_models.spelling import WORD_START, case

NOT_NAMES = ("DATE",)


class Disguise:
    """Changes the pieces of a batch; the labels stay what they are."""

    def __init__(self, pieces: Sequence[str], label_list: Sequence[str], hidden: float, respelled: float):
        """``pieces`` is the vocabulary in order; ``hidden`` and ``respelled`` are shares of the words of names."""
        self.hidden, self.respelled = hidden, respelled
        self._is_name = torch.tensor(
            [label != "O" and label.partition("-")[2] not in NOT_NAMES for label in label_list]
        )
        numbers = sorted(range(LAST_SPECIAL + 1, len(pieces)), key=lambda number: kind(pieces[number]))
        self._alike = torch.tensor(numbers)
        self._first = torch.zeros(len(pieces), dtype=torch.long)
        self._size = torch.zeros(len(pieces), dtype=torch.long)
        first = 0
        for _, group in groupby(numbers, key=lambda number: kind(pieces[number])):
            members = list(group)
            self._first[members], self._size[members] = first, len(members)
            first += len(members)

    def __call__(self, pieces: Tensor, labels: Tensor) -> Tensor:
        """The pieces to show; both arguments and the result of shape (rows, pieces)."""
        heads = labels != IGNORED
        word = heads.cumsum(dim=1)
        words = pieces.shape[1] + 1
        of_name = torch.zeros(len(pieces), words, dtype=torch.bool)
        rows, places = heads.nonzero(as_tuple=True)
        of_name[rows, word[rows, places]] = self._is_name[labels[rows, places]]
        # One fate for all pieces of a word.
        fate = torch.where(of_name, torch.rand(len(pieces), words), 1.0).gather(1, word)
        fate = torch.where(pieces > LAST_SPECIAL, fate, 1.0)
        other = self._alike[self._first[pieces] + (torch.rand(pieces.shape) * self._size[pieces]).long()]
        shown = torch.where(fate < self.hidden + self.respelled, other, pieces)
        return torch.where(fate < self.hidden, UNKNOWN, shown)


def kind(piece: str) -> tuple[bool, str, str]:
    """What a piece shares with those that may stand for it: its place in a word, its case and its script."""
    text = piece.removeprefix(WORD_START)
    if not text:
        return piece.startswith(WORD_START), "", ""
    return piece.startswith(WORD_START), case(text), unicodedata.name(text[0], "?").split()[0]
