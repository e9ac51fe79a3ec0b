from pathlib import Path

import pytest
import torch
from transformers import XLMRobertaConfig, XLMRobertaForTokenClassification

from build_models.errors import BuildError
from build_models.examples import IGNORED, Batch
from build_models.finetune import continuations, labels_within, load_classifier


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


def test_what_continues_a_label() -> None:
    names = ["O", "B-PER", "I-PER", "B-DATE"]
    assert continuations(names).tolist() == [0, 2, 2, 3]


def test_pieces_within_a_word_continue_its_label() -> None:
    within = torch.tensor([[IGNORED, IGNORED, 1, 2, 0, IGNORED]])
    batch = Batch(torch.zeros_like(within), torch.ones_like(within), torch.full_like(within, IGNORED), within)
    assert labels_within(batch, torch.tensor([0, 2, 2])).tolist() == [[IGNORED, IGNORED, 2, 2, 0, IGNORED]]
