import random
from collections import Counter
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from build_models.settings import FinetuneSettings
from build_models.training.examples import (
    IGNORED,
    LENGTH_STEP,
    ROWS_STEP,
    UNKNOWN,
    Batch,
    Example,
    collate,
    encode_examples,
    hide_words,
    plan_batches,
    respell,
    rows_of,
)
from build_models.training.segmentation import Segmentations
from build_models.training.windows import distinct_words
from service.evaluation.conll import Sentence
from service.ner.encoder import Encoder

NAMES = torch.tensor([False, True, True, False])
"""O, B-PER, I-PER, B-DATE."""
PIECES = [0, 11, 12, 13, 14, 15, 2, 1]
LABELS = [IGNORED, 1, IGNORED, 2, 0, 3, IGNORED, IGNORED]
"""A name of two words, the first of two pieces; a word; a date; the end and padding."""


def batch(rows: int, pieces: list[int] = PIECES, labels: list[int] = LABELS) -> Batch:
    shown = torch.tensor([pieces] * rows)
    return Batch(shown, torch.ones_like(shown), torch.tensor([labels] * rows), torch.full_like(shown, IGNORED))


def test_only_names_are_hidden_with_all_their_pieces() -> None:
    assert hide_words(batch(1), NAMES, 1.0, special=3).tolist() == [[0, UNKNOWN, UNKNOWN, UNKNOWN, 14, 15, 2, 1]]


def test_the_share_counts_words() -> None:
    torch.manual_seed(0)
    shown = hide_words(batch(4000), NAMES, 0.3, special=3)
    assert (shown[:, [1, 3]] == UNKNOWN).float().mean() == pytest.approx(0.3, abs=0.02)
    assert ((shown[:, 1] == UNKNOWN) == (shown[:, 2] == UNKNOWN)).all()
    assert not ((shown[:, 1] == UNKNOWN) == (shown[:, 3] == UNKNOWN)).all()


def test_a_window_that_begins_inside_a_word_keeps_that_part() -> None:
    shown = hide_words(batch(1, [0, 11, 12, 13, 2], [IGNORED, IGNORED, IGNORED, 1, IGNORED]), NAMES, 1.0, special=3)
    assert shown.tolist() == [[0, 11, 12, UNKNOWN, 2]]


def test_the_end_is_not_hidden_with_the_last_word() -> None:
    last = batch(1, [5, 11, 12, 6, 1], [IGNORED, 1, IGNORED, IGNORED, IGNORED])
    assert hide_words(last, NAMES, 1.0, special=6).tolist() == [[5, UNKNOWN, UNKNOWN, 6, 1]]


ROWS = [
    Example(
        np.array([0, 7, 5, 7, 8, 2]),
        np.array([IGNORED, 1, 2, 0, IGNORED, IGNORED]),
        np.array([IGNORED, IGNORED, IGNORED, IGNORED, 0, IGNORED]),
        words=np.array([4, 5, 6]),
        lengths=np.array([1, 1, 2]),
    ),
    Example(
        np.array([0, 6, 7, 2]),
        np.array([IGNORED, IGNORED, 0, IGNORED]),
        np.full(4, IGNORED),
        np.array([4]),
        np.array([1]),
    ),
]
"""A name of two words and another word, of two pieces; a word that another window decides, and a word."""


class Doubled:
    """Ways to spell that tell which word they are of: ten times its number, as often as it says, modulo 3."""

    def draw(
        self, words: NDArray[np.intp], random_state: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        lengths = words % 3 + 1
        return np.repeat(words * 10, lengths), lengths


def respelled(names: float, words: float, longest: int = 100) -> list[Example]:
    settings = FinetuneSettings(
        epochs=1, learning_rate=1.0, hidden_share=0.0, respelled_names=names, respelled_words=words
    )
    return respell(ROWS, cast(Segmentations, Doubled()), NAMES.numpy(), settings, longest)


NAMES_RESPELLED = ([40, 40, 50, 50, 50], [1, IGNORED, 2, IGNORED, IGNORED])
NAMES_KEPT = ([7, 5], [1, 2])


@pytest.mark.parametrize(("share", "names"), [(0.0, NAMES_KEPT), (1.0, NAMES_RESPELLED)])
@pytest.mark.parametrize(
    ("words_share", "word", "last"),
    [(0.0, ([7, 8], [0, IGNORED]), ([7], [0])), (1.0, ([60], [0]), ([40, 40], [0, IGNORED]))],
)
def test_words_are_respelled_by_the_share_of_their_label(
    share: float,
    names: tuple[list[int], list[int]],
    words_share: float,
    word: tuple[list[int], list[int]],
    last: tuple[list[int], list[int]],
) -> None:
    first, second = respelled(share, words_share)
    assert first.pieces.tolist() == [0, *names[0], *word[0], 2]
    assert first.labels.tolist() == [IGNORED, *names[1], *word[1], IGNORED]
    assert second.pieces.tolist() == [0, 6, *last[0], 2]
    assert second.labels.tolist() == [IGNORED, IGNORED, *last[1], IGNORED]
    assert first.within.tolist() == [IGNORED, *within(names[1]), *within(word[1]), IGNORED]
    assert second.within.tolist() == [IGNORED, IGNORED, *within(last[1]), IGNORED]


def within(labels: list[int]) -> list[int]:
    """At the other pieces of words the label of the first."""
    found, last = [], IGNORED
    for label in labels:
        found.append(last if label == IGNORED else IGNORED)
        last = last if label == IGNORED else label
    return found


def test_the_share_of_words_is_respelled() -> None:
    torch.manual_seed(0)
    times = 2000
    changed = sum(respelled(0.3, 0.0)[0].pieces[1] == 40 for _ in range(times))
    assert changed / times == pytest.approx(0.3, abs=0.04)


def test_rows_that_would_be_too_long_stay() -> None:
    first, second = respelled(1.0, 1.0, longest=5)
    assert first.pieces.tolist() == ROWS[0].pieces.tolist()
    assert second.pieces.tolist() == [0, 6, 40, 40, 2]


def test_examples_know_their_words(make_encoder: Callable[[int, int], Encoder]) -> None:
    sentences = [
        Sentence(
            "swa", ["Uhuru", "\u200b", "Kenyatta", "alitembelea", "Nairobi"], ["B-PER", "O", "I-PER", "O", "B-LOC"]
        ),
        Sentence("swa", ["Nairobi", "Kenyatta"], ["B-LOC", "B-PER"]),
    ]
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    encoder = make_encoder(20, 4)
    words = distinct_words(sentences)
    for example in (examples := encode_examples(sentences, encoder, names)):
        heads = np.flatnonzero(example.labels != IGNORED)
        for head, word, length in zip(heads, example.words, example.lengths, strict=True):
            pieces = encoder.encode_all([words[word]]).pieces
            assert example.pieces[head : head + length].tolist() == pieces
            assert (example.within[head + 1 : head + length] == example.labels[head]).all()
        assert (example.within != IGNORED).sum() == (example.lengths - 1).sum() > 0
    assert len(examples) > len(sentences)
    assert [words[word] for example in examples for word in example.words] == [
        "Uhuru",
        "Kenyatta",
        "alitembelea",
        "Nairobi",
        "Nairobi",
        "Kenyatta",
    ]


@pytest.mark.parametrize("batch_pieces", [512, 2048])
def test_nearly_all_batches_have_few_shapes(batch_pieces: int) -> None:
    random_state = random.Random(0)
    none = np.array([], dtype=np.intp)
    examples = [
        Example(np.zeros(length, dtype=np.int64), np.zeros(length), np.zeros(length), none, none)
        for length in random_state.choices([*range(3, 60), 150], k=20_000)
    ]
    settings = FinetuneSettings(epochs=2, learning_rate=1.0, hidden_share=0.0, batch_pieces=batch_pieces)
    plans = plan_batches(examples, settings, max_length=160, seed=0)
    shapes = [(len(plan), collate(rows_of(examples, plan), padding=1).pieces.shape[1]) for plan in plans]
    assert sum(rows % ROWS_STEP == 0 for rows, _ in shapes) > 0.8 * len(shapes)
    assert all(length % LENGTH_STEP == 0 for _, length in shapes)
    assert all(rows * length <= settings.batch_pieces for rows, length in shapes)
    seen = Counter(example for plan in plans for row in plan for example in row)
    assert set(seen.values()) == {settings.epochs}
    assert len(seen) == len(examples)


def test_an_example_is_part_of_its_share_of_the_epochs() -> None:
    none = np.array([], dtype=np.intp)
    examples = [
        Example(np.zeros(9, dtype=np.int64), np.zeros(9), np.zeros(9), none, none, share)
        for share in [0.7] * 200 + [0.3] * 200 + [1.0]
    ]
    settings = FinetuneSettings(epochs=10, learning_rate=1.0, hidden_share=0.0)
    plans = plan_batches(examples, settings, max_length=160, seed=0)
    seen = Counter(example for plan in plans for row in plan for example in row)

    assert sum(seen[number] for number in range(200)) == pytest.approx(1400, abs=70)
    assert sum(seen[number] for number in range(200, 400)) == pytest.approx(600, abs=70)
    assert seen[400] == 10


def test_a_window_that_decides_no_word(make_encoder: Callable[[int, int], Encoder]) -> None:
    # Of 1, 30 and 118 pieces: all that the second window holds is decided by its neighbours.
    words = [*["ya"] * 120, "a" * 29, *["ya"] * 9, "a" * 117]
    examples = encode_examples([Sentence("swa", words, ["O"] * len(words))], make_encoder(160, 40), ["O"])
    assert [len(example.words) for example in examples] == [121, 0, 10]
    assert {array.dtype for example in examples for array in (example.words, example.lengths)} == {np.dtype(np.intp)}
    settings = FinetuneSettings(epochs=1, learning_rate=1.0, hidden_share=0.0, respelled_names=1.0, respelled_words=1.0)
    made = respell(examples, cast(Segmentations, Doubled()), np.array([False]), settings, longest=500)
    assert made[1].pieces.tolist() == examples[1].pieces.tolist()


def test_batches_have_few_lengths() -> None:
    batch = collate(ROWS, padding=1)
    assert batch.pieces.tolist() == [[0, 7, 5, 7, 8, 2, 1, 1], [0, 6, 7, 2, 1, 1, 1, 1]]
    assert batch.attention.sum(dim=1).tolist() == [6, 4]
    assert (batch.labels[:, 6:] == IGNORED).all()
    assert (batch.within != IGNORED).nonzero().tolist() == [[0, 4]]
