from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import XLMRobertaConfig, XLMRobertaForTokenClassification

from build_models.errors import BuildError
from build_models.finetune import (
    IGNORED,
    UNKNOWN,
    Batch,
    Example,
    collate,
    hide_words,
    load_classifier,
    split_words,
)
from build_models.settings import FinetuneSettings
from build_models.splitting import Splitter


@pytest.fixture
def three_labels(tmp_path: Path) -> Path:
    """A checkpoint that has a head already."""
    config = XLMRobertaConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, num_labels=3
    )
    XLMRobertaForTokenClassification(config).save_pretrained(tmp_path)
    return tmp_path


def test_a_head_for_other_labels_is_refused(three_labels: Path) -> None:
    labels = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    with pytest.raises(BuildError, match="has a head for other labels than the data's, O, B-LOC, I-LOC, B-PER, I-PER"):
        load_classifier(three_labels, labels)


def test_a_head_that_fits_is_kept(three_labels: Path) -> None:
    model = load_classifier(three_labels, ["O", "B-LOC", "I-LOC"])
    theirs = XLMRobertaForTokenClassification.from_pretrained(three_labels)
    assert model.classifier.weight.equal(theirs.classifier.weight)
    assert model.config.id2label == {0: "O", 1: "B-LOC", 2: "I-LOC"}


NAMES = torch.tensor([False, True, True, False])
"""O, B-PER, I-PER, B-DATE."""
PIECES = [0, 11, 12, 13, 14, 15, 2, 1]
LABELS = [IGNORED, 1, IGNORED, 2, 0, 3, IGNORED, IGNORED]
"""A name of two words, the first of two pieces; a word; a date; the end and padding."""


def batch(rows: int, pieces: list[int] = PIECES, labels: list[int] = LABELS) -> Batch:
    shown = torch.tensor([pieces] * rows)
    return Batch(shown, torch.ones_like(shown), torch.tensor([labels] * rows))


def test_only_names_are_hidden_with_all_their_pieces() -> None:
    assert hide_words(batch(1), NAMES, 1.0).tolist() == [[0, UNKNOWN, UNKNOWN, UNKNOWN, 14, 15, 2, 1]]


def test_the_share_counts_words() -> None:
    torch.manual_seed(0)
    shown = hide_words(batch(4000), NAMES, 0.3)
    assert (shown[:, [1, 3]] == UNKNOWN).float().mean() == pytest.approx(0.3, abs=0.02)
    assert ((shown[:, 1] == UNKNOWN) == (shown[:, 2] == UNKNOWN)).all()
    assert not ((shown[:, 1] == UNKNOWN) == (shown[:, 3] == UNKNOWN)).all()


def test_a_window_that_begins_inside_a_word_keeps_that_part() -> None:
    shown = hide_words(batch(1, [0, 11, 12, 13, 2], [IGNORED, IGNORED, IGNORED, 1, IGNORED]), NAMES, 1.0)
    assert shown.tolist() == [[0, 11, 12, UNKNOWN, 2]]


SPLITTER = Splitter(["<s>", "<pad>", "</s>", "<unk>", "▁a", "▁ab", "b", "▁abab", "a"])
ROWS = [
    Example(np.array([0, 7, 5, 7, 2]), np.array([IGNORED, 1, 2, 0, IGNORED])),
    Example(np.array([0, 6, 7, 2]), np.array([IGNORED, IGNORED, 0, IGNORED])),
]
"""A name of two words and another word; a part of a word and a word."""


def split(names: float, words: float, longest: int = 100) -> list[Example]:
    settings = FinetuneSettings(epochs=1, learning_rate=1.0, hidden_share=0.0, split_names=names, split_words=words)
    return split_words(ROWS, SPLITTER, NAMES.numpy(), settings, longest)


@pytest.mark.parametrize(("names", "words"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_words_are_split_by_the_share_of_their_label_and_labels_stay_at_their_beginnings(
    names: float, words: float
) -> None:
    torch.manual_seed(0)
    lengths = set()
    for _ in range(40):
        made = split(names, words)
        for before, after in zip(ROWS, made, strict=True):
            assert after.labels[after.labels != IGNORED].tolist() == before.labels[before.labels != IGNORED].tolist()
            assert len(after.labels) == len(after.pieces)
        heads = [made[0].pieces[made[0].labels == label][0] for label in (1, 2, 0)]
        lengths.add((len(made[0].pieces), len(made[1].pieces)))
        assert names or heads[:2] == [7, 5]
        assert words or heads[2] == 7
    assert (lengths == {(5, 4)}) == (names == words == 0.0)


def test_rows_that_would_be_too_long_stay() -> None:
    torch.manual_seed(0)
    for _ in range(20):
        made = split(1.0, 1.0, longest=5)
        assert made[0].pieces.tolist() == ROWS[0].pieces.tolist()


def test_batches_have_few_lengths() -> None:
    batch = collate(ROWS, padding=1)
    assert batch.pieces.tolist() == [[0, 7, 5, 7, 2, 1, 1, 1], [0, 6, 7, 2, 1, 1, 1, 1]]
    assert batch.attention.sum(dim=1).tolist() == [5, 4]
    assert (batch.labels[:, 5:] == IGNORED).all()
