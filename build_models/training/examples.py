"""Training examples: sentences encoded as windows, joined into rows, batched, and augmented."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from build_models.settings import FinetuneSettings
from build_models.training.segmentation import Segmentations, ranges
from build_models.training.windows import distinct_words, pieces_of_words, windows_of
from service.evaluation.conll import Sentence
from service.ner.encoder import Encoder

IGNORED = -100
UNKNOWN = 3
"""<unk> in the vocabularies of RoBERTa's family."""
BATCHES_SORTED_TOGETHER = 32
LENGTH_STEP, ROWS_STEP = 8, 4
"""Batch shapes are rounded to multiples of these, because oneDNN compiles kernels for every new shape."""

Plan = list[list[int]]
"""A batch as example indices: one list per row, in the order in which they are joined."""


@dataclass
class Example:
    """A window of pieces with special tokens.

    ``labels`` has a label index at the first piece of each word, ``within`` at its continuation pieces, and both have
    ``IGNORED`` elsewhere. ``words`` are the ids of the labelled words, ``lengths`` their numbers of pieces. The example
    is part of a ``share`` of the epochs. ``answers`` has a teacher's logits for the words, of
    shape (words, labels), if the teacher splits words into other pieces.
    """

    pieces: NDArray[np.int64]
    labels: NDArray[np.int64]
    within: NDArray[np.int64]
    words: NDArray[np.intp]
    lengths: NDArray[np.intp]
    share: float = 1.0
    answers: NDArray[np.float16] | None = None


@dataclass
class Batch:
    """Examples padded to the same length: tensors of shape (rows, pieces).

    ``answers`` has the logits of a teacher at the labelled pieces and zeros elsewhere; its shape is (rows, pieces,
    labels).
    """

    pieces: Tensor
    attention: Tensor
    labels: Tensor
    within: Tensor
    answers: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        return Batch(
            self.pieces.to(device),
            self.attention.to(device),
            self.labels.to(device),
            self.within.to(device),
            None if self.answers is None else self.answers.to(device),
        )


def encode_examples(
    sentences: Sequence[Sentence],
    encoder: Encoder,
    label_list: Sequence[str],
    shares: Sequence[float] | None = None,
    answers: Sequence[NDArray[np.float16]] | None = None,
) -> list[Example]:
    """Encode sentences in the service's windows. The id of a word is its index in ``distinct_words``.

    ``shares`` has the share of the epochs for each sentence; by default, all are part of every epoch. ``answers`` has a
    teacher's logits for the words of each sentence, of shape (words, labels).
    """
    index = {label: number for number, label in enumerate(label_list)}
    numbers = {word: number for number, word in enumerate(distinct_words(sentences))}
    pieces_of = pieces_of_words(list(numbers), encoder)
    examples = []
    for number, places, window in windows_of(sentences, encoder, pieces_of):
        sentence = sentences[number]
        words = [sentence.words[place] for place in places]
        # The dtype is explicit because a window may have no words, and empty arrays default to float.
        lengths = np.array([len(pieces_of[word]) for word in words], dtype=np.intp)
        known = np.array([numbers[word] for word in words], dtype=np.intp)
        labels_of = np.array([index[sentence.labels[place]] for place in places], dtype=np.int64)
        labels, within = np.full((2, len(window.input_ids)), IGNORED)
        labels[window.heads] = labels_of
        within[ranges(window.heads + 1, lengths - 1)] = np.repeat(labels_of, lengths - 1)
        share = 1.0 if shares is None else shares[number]
        answered = None if answers is None else answers[number][places]
        examples.append(Example(window.input_ids, labels, within, known, lengths, share, answered))
    return examples


def plan_batches(examples: Sequence[Example], settings: FinetuneSettings, max_length: int, seed: int) -> list[Plan]:
    """The batches of all epochs: examples are shuffled, some joined, and rows of similar length batched."""
    lengths = [len(example.pieces) for example in examples]
    plans: list[Plan] = []
    for epoch in range(settings.epochs):
        random_state = random.Random(f"{seed}/{epoch}")
        order = random_state.sample(range(len(examples)), len(examples))
        order = [number for number in order if (share := examples[number].share) == 1 or random_state.random() < share]
        rows = list(_join(order, lengths, settings.join_share, max_length, random_state))
        plans += _batches(rows, lengths, settings.batch_pieces, random_state)
    return plans


def _join(
    order: Sequence[int], lengths: Sequence[int], share: float, max_length: int, random_state: random.Random
) -> Iterator[list[int]]:
    row: list[int] = []
    room = 0
    for example in order:
        inner = lengths[example] - 2
        if row and inner <= room:
            row.append(example)
            room -= inner
            continue
        if row:
            yield row
        row = [example]
        joins = random_state.random() < share
        room = random_state.randint(0, max_length - lengths[example]) if joins else 0
    if row:
        yield row


def _batches(
    rows: list[list[int]], lengths: Sequence[int], batch_pieces: int, random_state: random.Random
) -> list[Plan]:
    def length(row: list[int]) -> int:
        return sum(lengths[example] - 2 for example in row) + 2

    if not rows:
        return []
    average = sum(map(length, rows)) / len(rows)
    together = max(1, int(BATCHES_SORTED_TOGETHER * batch_pieces / average))
    batches: list[Plan] = []
    for first in range(0, len(rows), together):
        batch: Plan = []
        for row in sorted(rows[first : first + together], key=length):
            while batch and (len(batch) + 1) * rounded(length(row)) > batch_pieces:
                whole = len(batch) - len(batch) % ROWS_STEP or len(batch)
                batches.append(batch[:whole])
                batch = batch[whole:]
            batch.append(row)
        batches.append(batch)
    random_state.shuffle(batches)
    return batches


def rounded(length: int) -> int:
    """``length`` rounded up to the next length that a batch may have."""
    return -(-length // LENGTH_STEP) * LENGTH_STEP


def rows_of(examples: Sequence[Example], plan: Plan) -> list[Example]:
    """The rows of a batch, each one example or several joined."""
    return [_joined([examples[number] for number in row]) for row in plan]


def collate(rows: Sequence[Example], padding: int) -> Batch:
    """Pad the rows with the piece ``padding`` to a multiple of ``LENGTH_STEP`` and stack them."""
    pieces, attention = padded([row.pieces for row in rows], padding)
    labels, within = np.full((2, *pieces.shape), IGNORED)
    for number, row in enumerate(rows):
        labels[number, : len(row.labels)] = row.labels
        within[number, : len(row.within)] = row.within
    return Batch(pieces, attention, torch.from_numpy(labels), torch.from_numpy(within), answers_in(rows, labels))


def padded(sequences: Sequence[NDArray[np.int64]], padding: int) -> tuple[Tensor, Tensor]:
    """The pieces, padded to a multiple of ``LENGTH_STEP``, and the attention mask; both of shape (rows, pieces)."""
    longest = rounded(max(map(len, sequences)))
    pieces = torch.full((len(sequences), longest), padding)
    attention = torch.zeros_like(pieces)
    for row, sequence in enumerate(sequences):
        pieces[row, : len(sequence)] = torch.from_numpy(sequence)
        attention[row, : len(sequence)] = 1
    return pieces, attention


def answers_in(rows: Sequence[Example], labels: NDArray[np.int64]) -> Tensor | None:
    """The rows' answers as a tensor of shape (rows, pieces, labels), placed where ``labels`` are not ``IGNORED``."""
    given = [row.answers for row in rows if row.answers is not None]
    if not given:
        return None
    answers = np.zeros((*labels.shape, given[0].shape[1]), np.float32)
    answers[labels != IGNORED] = np.concatenate(given)
    return torch.from_numpy(answers)


def _joined(examples: Sequence[Example]) -> Example:
    if len(examples) == 1:
        return examples[0]
    first, last = examples[0], examples[-1]
    answers = [example.answers for example in examples if example.answers is not None]
    return Example(
        np.concatenate([first.pieces[:1], *(example.pieces[1:-1] for example in examples), last.pieces[-1:]]),
        np.concatenate([first.labels[:1], *(example.labels[1:-1] for example in examples), last.labels[-1:]]),
        np.concatenate([first.within[:1], *(example.within[1:-1] for example in examples), last.within[-1:]]),
        np.concatenate([example.words for example in examples]),
        np.concatenate([example.lengths for example in examples]),
        answers=np.concatenate(answers) if answers else None,
    )


def respell(
    rows: Sequence[Example],
    segmentations: Segmentations,
    is_name: NDArray[np.bool_],
    settings: FinetuneSettings,
    longest: int,
) -> list[Example]:
    """Segment random words of the rows differently: ``respelled_names`` of the names, ``respelled_words`` of the rest.

    ``is_name`` is indexed by label. Rows that would exceed ``longest`` pieces stay unchanged.
    """
    # Seeded by torch, whose random state is part of a checkpoint.
    random_state = np.random.default_rng(int(torch.randint(2**31, ())))
    before = np.concatenate([row.pieces for row in rows])
    labels = np.concatenate([row.labels for row in rows])
    within = np.concatenate([row.within for row in rows])
    words = np.concatenate([row.words for row in rows])
    lengths = np.concatenate([row.lengths for row in rows])
    heads = np.flatnonzero(labels != IGNORED)
    share = np.where(is_name[labels[heads]], settings.respelled_names, settings.respelled_words)
    goes = random_state.random(len(share)) < share
    heads, lengths = heads[goes], lengths[goes]
    drawn, drawn_lengths = segmentations.draw(words[goes], random_state)
    # The number of new pieces per old piece: all of a word's new pieces at its first piece, none at the others.
    becomes = np.ones(len(before), dtype=np.intp)
    becomes[ranges(heads, lengths)] = 0
    becomes[heads] = drawn_lengths
    origin = np.repeat(np.arange(len(before)), becomes)
    pieces = before[origin]
    pieces[np.isin(origin, heads)] = drawn
    begins = np.diff(origin, prepend=-1) > 0
    within = np.where(begins, within[origin], labels[origin])
    labels = np.where(begins, labels[origin], IGNORED)
    borders = np.searchsorted(origin, np.cumsum([len(row.pieces) for row in rows])[:-1])
    made = zip(rows, *(np.split(array, borders) for array in (pieces, labels, within)), strict=True)
    return [
        replace(row, pieces=new_pieces, labels=new_labels, within=new_within) if len(new_pieces) <= longest else row
        for row, new_pieces, new_labels, new_within in made
    ]


def hide_words(batch: Batch, hideable: Tensor, share: float, special: int) -> Tensor:
    """The batch's pieces, with all pieces of a random ``share`` of the words replaced by <unk>.

    ``hideable`` is indexed by label: whether words of that label may be hidden. Pieces up to ``special`` stay.
    """
    heads = batch.labels != IGNORED
    word = heads.cumsum(dim=1)
    may_go = torch.zeros(len(word), batch.pieces.shape[1] + 1, dtype=torch.bool)
    rows, places = heads.nonzero(as_tuple=True)
    may_go[rows, word[rows, places]] = hideable[batch.labels[rows, places]]
    goes = (may_go & (torch.rand(may_go.shape) < share)).gather(1, word)
    return torch.where(goes & (batch.pieces > special), UNKNOWN, batch.pieces)
