from pathlib import Path

import pytest
import torch
from transformers import XLMRobertaConfig, XLMRobertaForTokenClassification

from build_models.errors import BuildError
from build_models.finetune import IGNORED, UNKNOWN, Batch, hide_words, load_classifier


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
