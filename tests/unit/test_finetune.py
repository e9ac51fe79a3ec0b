from pathlib import Path

import pytest
from transformers import XLMRobertaConfig, XLMRobertaForTokenClassification

from build_models.errors import BuildError
from build_models.finetune import load_classifier


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
