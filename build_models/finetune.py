"""Fine-tuning for named-entity recognition: a label on the first piece of each word, nothing on the others."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModelForTokenClassification, PreTrainedModel

from build_models.errors import BuildError
from build_models.segmentation import Segmentations, ranges
from build_models.settings import FinetuneSettings
from build_models.training import Optimization, Trainer, training_device
from service.conll import Sentence
from service.pipeline import Encoder, run_to_end
from service.sentences import KnownWords, join_pieces

IGNORED = -100
UNKNOWN = LAST_SPECIAL = 3
"""XLM-R's layout: <s> <pad> </s> <unk>, then the pieces."""
BATCHES_SORTED_TOGETHER = 32
LENGTH_STEP, ROWS_STEP = 8, 4
"""Batches have multiples of these, nearly all of them: oneDNN compiles its kernels anew for every other shape."""
NOT_NAMES = ("O", "B-DATE", "I-DATE")

Plan = list[list[int]]
"""A batch: for each row the examples that stand in it, one behind the other."""


@dataclass
class Example:
    """A window of pieces with its special tokens, and a label index (or ``IGNORED``) for each piece.

    ``words`` are the numbers of its labelled words, and ``lengths`` how many pieces each has.
    """

    pieces: NDArray[np.int64]
    labels: NDArray[np.int64]
    words: NDArray[np.intp]
    lengths: NDArray[np.intp]


@dataclass
class Batch:
    """Rows padded to the same length: all three of shape (rows, pieces)."""

    pieces: Tensor
    attention: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> "Batch":
        return Batch(self.pieces.to(device), self.attention.to(device), self.labels.to(device))


def encode_examples(sentences: Sequence[Sentence], encoder: Encoder, label_list: Sequence[str]) -> list[Example]:
    """Windows of the sentences, laid out as the service lays them out. Words are numbered as ``distinct_words`` are."""
    index = {label: number for number, label in enumerate(label_list)}
    numbers = {word: number for number, word in enumerate(distinct_words(sentences))}
    pieces_of = run_to_end(KnownWords(encoder).learn(numbers))
    examples = []
    for sentence in sentences:
        for places, window in encoder.windows(join_pieces(sentence.words, pieces_of)):
            labels = np.full(len(window.input_ids), IGNORED)
            labels[window.heads] = [index[sentence.labels[place]] for place in places]
            words = [sentence.words[place] for place in places]
            # A window may decide no word, and an empty list would become floats.
            lengths = np.array([len(pieces_of[word]) for word in words], dtype=np.intp)
            known = np.array([numbers[word] for word in words], dtype=np.intp)
            examples.append(Example(window.input_ids, labels, known, lengths))
    return examples


def distinct_words(sentences: Iterable[Sentence]) -> list[str]:
    """Every word of the sentences once, in the order of their first places."""
    return list(dict.fromkeys(word for sentence in sentences for word in sentence.words))


def plan_batches(examples: Sequence[Example], settings: FinetuneSettings, max_length: int, seed: int) -> list[Plan]:
    """The batches of all epochs: examples shuffled, some joined, rows of like length together."""
    lengths = [len(example.pieces) for example in examples]
    plans: list[Plan] = []
    for epoch in range(settings.epochs):
        random_state = random.Random(f"{seed}/{epoch}")
        order = random_state.sample(range(len(examples)), len(examples))
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

    average = sum(map(length, rows)) / max(1, len(rows))
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
    """The next length that a batch may have."""
    return -(-length // LENGTH_STEP) * LENGTH_STEP


def rows_of(examples: Sequence[Example], plan: Plan) -> list[Example]:
    """The rows of a batch, each of them one example or several joined."""
    return [_joined([examples[number] for number in row]) for row in plan]


def collate(rows: Sequence[Example], padding: int) -> Batch:
    """Put rows together and pad them with the piece ``padding``, to one of a few lengths."""
    longest = rounded(max(len(row.pieces) for row in rows))
    pieces = np.full((len(rows), longest), padding)
    labels = np.full((len(rows), longest), IGNORED)
    for number, row in enumerate(rows):
        pieces[number, : len(row.pieces)] = row.pieces
        labels[number, : len(row.labels)] = row.labels
    attention = torch.tensor([[1] * len(row.pieces) + [0] * (longest - len(row.pieces)) for row in rows])
    return Batch(torch.from_numpy(pieces), attention, torch.from_numpy(labels))


def _joined(examples: Sequence[Example]) -> Example:
    if len(examples) == 1:
        return examples[0]
    first, last = examples[0], examples[-1]
    return Example(
        np.concatenate([first.pieces[:1], *(example.pieces[1:-1] for example in examples), last.pieces[-1:]]),
        np.concatenate([first.labels[:1], *(example.labels[1:-1] for example in examples), last.labels[-1:]]),
        np.concatenate([example.words for example in examples]),
        np.concatenate([example.lengths for example in examples]),
    )


def respell(
    rows: Sequence[Example],
    segmentations: Segmentations,
    is_name: NDArray[np.bool_],
    settings: FinetuneSettings,
    longest: int,
) -> list[Example]:
    """The rows with some of their words, by the share of their labels, in other pieces.

    ``is_name`` says for each label index which share it is. Rows that would have more than ``longest`` pieces stay.
    """
    # By torch's random numbers, which a training that goes on after a kill goes on with.
    random_state = np.random.default_rng(int(torch.randint(2**31, ())))
    before = np.concatenate([row.pieces for row in rows])
    labels = np.concatenate([row.labels for row in rows])
    words = np.concatenate([row.words for row in rows])
    lengths = np.concatenate([row.lengths for row in rows])
    heads = np.flatnonzero(labels != IGNORED)
    share = np.where(is_name[labels[heads]], settings.respelled_names, settings.respelled_words)
    goes = random_state.random(len(share)) < share
    heads, lengths = heads[goes], lengths[goes]
    drawn, drawn_lengths = segmentations.draw(words[goes], random_state)
    # How many pieces come to stand for each: all that were drawn for the first of a word, none for its others.
    becomes = np.ones(len(before), dtype=np.intp)
    becomes[ranges(heads, lengths)] = 0
    becomes[heads] = drawn_lengths
    origin = np.repeat(np.arange(len(before)), becomes)
    pieces = before[origin]
    pieces[np.isin(origin, heads)] = drawn
    labels = np.where(np.diff(origin, prepend=-1) > 0, labels[origin], IGNORED)
    borders = np.searchsorted(origin, np.cumsum([len(row.pieces) for row in rows])[:-1])
    made = zip(rows, np.split(pieces, borders), np.split(labels, borders), strict=True)
    return [
        replace(row, pieces=new, labels=new_labels) if len(new) <= longest else row for row, new, new_labels in made
    ]


def load_classifier(folder: Path, label_list: Sequence[str]) -> PreTrainedModel:
    """An encoder checkpoint with a classification head for the labels; the head is new if there was none.

    Raises ``BuildError`` if the checkpoint has a head for another number of labels.
    """
    names = dict(enumerate(label_list))
    try:
        model: PreTrainedModel = AutoModelForTokenClassification.from_pretrained(
            folder,
            num_labels=len(names),
            id2label=names,
            label2id={label: number for number, label in names.items()},
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=False,
            # The fused kernels multiply matrices too small for a CPU.
            attn_implementation="sdpa" if training_device().type == "cuda" else "eager",
        )
    except RuntimeError as error:
        if "size mismatch" not in str(error):
            raise
        raise BuildError(
            f"{folder} has a head for other labels than the data's, {', '.join(label_list)}: give a base without one"
        ) from error
    return model


def hide_words(batch: Batch, hideable: Tensor, share: float) -> Tensor:
    """The batch's pieces with a share of the words shown as unknown, each with all its pieces.

    ``hideable`` says for each label index whether words of that label may be hidden.
    """
    heads = batch.labels != IGNORED
    word = heads.cumsum(dim=1)
    may_go = torch.zeros(len(word), batch.pieces.shape[1] + 1, dtype=torch.bool)
    rows, places = heads.nonzero(as_tuple=True)
    may_go[rows, word[rows, places]] = hideable[batch.labels[rows, places]]
    goes = (may_go & (torch.rand(may_go.shape) < share)).gather(1, word)
    return torch.where(goes & (batch.pieces > LAST_SPECIAL), UNKNOWN, batch.pieces)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the labelled pieces."""
    return nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


def finetune(
    title: str,
    model: PreTrainedModel,
    examples: Sequence[Example],
    settings: FinetuneSettings,
    max_length: int,
    seed: int,
    state: Path,
    segmentations: Segmentations | None = None,
    loss: Callable[[Tensor, Batch], Tensor] | None = None,
    after_step: Callable[[], None] = lambda: None,
) -> None:
    """Train a classifier on the examples. ``loss(logits, batch)`` replaces the cross entropy of the labels.

    Words are respelled only where there are ``segmentations``.
    """
    padding = int(model.config.pad_token_id)
    # XLM-R counts positions from the one behind the padding's.
    longest = int(model.config.max_position_embeddings) - padding - 1
    names = torch.tensor([model.config.id2label[number] not in NOT_NAMES for number in range(model.config.num_labels)])
    device = training_device()
    model.to(device)
    loss = loss or (lambda logits, batch: cross_entropy(logits, batch.labels))

    def loss_of(plan: Plan) -> Tensor:
        rows = rows_of(examples, plan)
        if segmentations is not None:
            rows = respell(rows, segmentations, names.numpy(), settings, longest)
        batch = collate(rows, padding)
        if settings.hidden_names:
            batch.pieces = hide_words(batch, names, settings.hidden_names)
        if settings.hidden_share:
            hidden = (torch.rand(batch.pieces.shape) < settings.hidden_share) & (batch.pieces > LAST_SPECIAL)
            batch.pieces = torch.where(hidden, UNKNOWN, batch.pieces)
        batch = batch.to(device)
        logits = model(input_ids=batch.pieces, attention_mask=batch.attention).logits
        return loss(logits, batch)

    optimization = Optimization(
        settings.learning_rate,
        settings.matrix_learning_rate,
        averaging=settings.averaging,
        coarse=settings.coarse_products,
    )
    Trainer[Plan](title, model, optimization, state).run(
        plan_batches(examples, settings, max_length, seed), loss_of, after_step
    )
