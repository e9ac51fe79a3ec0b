from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel, XLMRobertaConfig, XLMRobertaForTokenClassification

from build_models.errors import BuildError
from build_models.settings import FinetuneSettings
from build_models.training.examples import IGNORED, Batch, Example
from build_models.training.finetune import continuations, finetune, labels_within, load_classifier


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
    with pytest.raises(
        BuildError,
        match=r"has a classification head for other labels than the data's \(O, B-LOC, I-LOC, B-PER, I-PER\)",
    ):
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


@pytest.fixture
def classifier(tmp_path: Path) -> PreTrainedModel:
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, num_labels=3
    )
    XLMRobertaForTokenClassification(config).save_pretrained(tmp_path)
    return load_classifier(tmp_path, ["O", "B-LOC", "I-LOC"])


def example(pieces: list[int], labels: list[int], within: list[int]) -> Example:
    known = np.flatnonzero(np.array(labels) != IGNORED)
    return Example(np.array(pieces), np.array(labels), np.array(within), known, np.ones_like(known))


SPLIT = example([0, 7, 8, 9, 2], [IGNORED, 1, IGNORED, 0, IGNORED], [IGNORED, IGNORED, 1, IGNORED, IGNORED])
"""A name of two pieces and a word."""
WHOLE = example([0, 7, 9, 2], [IGNORED, 1, 0, IGNORED], [IGNORED] * 4)
"""The same without a piece within a word."""


def trained(model: PreTrainedModel, some: Example, within_weight: float, state: Path) -> None:
    settings = FinetuneSettings(epochs=30, learning_rate=0.05, hidden_share=0.0, within_weight=within_weight)
    finetune("test", model, [some], settings, max_length=20, seed=0, state=state)


@pytest.mark.parametrize(("weight", "learnt"), [(0.0, False), (0.3, True)])
def test_pieces_within_words_are_learnt_if_they_count(
    classifier: PreTrainedModel, tmp_path: Path, weight: float, learnt: bool
) -> None:
    trained(classifier, SPLIT, weight, tmp_path)
    logits = classifier(input_ids=torch.from_numpy(SPLIT.pieces)[None]).logits[0]
    assert logits[[1, 3]].argmax(dim=-1).tolist() == [1, 0]
    assert (int(logits[2].argmax()) == 2) == learnt


def test_a_batch_without_pieces_within_words_is_learnt_from(classifier: PreTrainedModel, tmp_path: Path) -> None:
    trained(classifier, WHOLE, 0.3, tmp_path)
    logits = classifier(input_ids=torch.from_numpy(WHOLE.pieces)[None]).logits[0]
    assert logits[[1, 2]].argmax(dim=-1).tolist() == [1, 0]


def test_losses_see_numbers_of_32_bits(
    classifier: PreTrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"bf16": True})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    seen = []

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        seen.append((logits.dtype, classifier.classifier(torch.ones(1, 8)).dtype))
        return logits.sum()

    settings = FinetuneSettings(epochs=1, learning_rate=0.1, hidden_share=0.0, coarse_products=True)
    finetune("test", classifier, [WHOLE], settings, max_length=20, seed=0, state=tmp_path, loss=loss)
    assert seen == [(torch.float32, torch.bfloat16)]
