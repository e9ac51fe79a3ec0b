"""Fine-tuning for named-entity recognition. A word's label is predicted at its first piece; the loss may also include
its continuation pieces.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModelForTokenClassification, PreTrainedModel

from build_models.architectures import last_special, longest_window
from build_models.errors import BuildError
from build_models.settings import FinetuneSettings
from build_models.training.devices import training_device
from build_models.training.examples import (
    IGNORED,
    UNKNOWN,
    Batch,
    Example,
    Plan,
    collate,
    hide_words,
    plan_batches,
    respell,
    rows_of,
)
from build_models.training.loop import Optimization, Trainer
from build_models.training.segmentation import Segmentations

NOT_NAMES = ("O", "B-DATE", "I-DATE")


def load_classifier(folder: Path, label_list: Sequence[str]) -> PreTrainedModel:
    """Load a checkpoint for token classification, with a new head if it has none.

    Raises ``BuildError`` if its head has another number of labels.
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
            # On CPUs, the fused attention kernel is slower for matrices this small.
            attn_implementation="sdpa" if training_device().type == "cuda" else "eager",
        )
    except RuntimeError as error:
        if "size mismatch" not in str(error):
            raise
        raise BuildError(
            f"{folder} has a classification head for other labels than the data's ({', '.join(label_list)}):"
            " pass a base without a head"
        ) from error
    return model


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the labelled pieces."""
    return nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


def continuations(names: Sequence[str]) -> Tensor:
    """For each label, the index of the label that continues it: I- of the same type, or itself if there is none."""
    index = {name: number for number, name in enumerate(names)}
    return torch.tensor([index.get(f"I-{name[2:]}", number) for number, name in enumerate(names)])


def labels_within(batch: Batch, continues: Tensor) -> Tensor:
    """Training labels of continuation pieces, of shape (rows, pieces)."""
    return torch.where(batch.within == IGNORED, IGNORED, continues[batch.within.clamp(min=0)])


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
    """Train a classifier on the examples.

    ``loss(logits, batch)`` replaces the cross entropy on first pieces. Without ``segmentations``, no word is respelled.
    """
    padding, special = int(model.config.pad_token_id), last_special(model.config)
    names = [model.config.id2label[number] for number in range(model.config.num_labels)]
    is_name = torch.tensor([name not in NOT_NAMES for name in names])
    device = training_device()
    continues = continuations(names).to(device)
    model.to(device)
    model.get_input_embeddings().weight.requires_grad_(not settings.frozen_embeddings)
    loss = loss or (lambda logits, batch: cross_entropy(logits, batch.labels))

    def loss_of(plan: Plan) -> Tensor:
        rows = rows_of(examples, plan)
        if segmentations is not None:
            rows = respell(rows, segmentations, is_name.numpy(), settings, longest_window(model.config))
        batch = collate(rows, padding)
        if settings.hidden_names:
            batch.pieces = hide_words(batch, is_name, settings.hidden_names, special)
        if settings.hidden_share:
            hidden = (torch.rand(batch.pieces.shape) < settings.hidden_share) & (batch.pieces > special)
            batch.pieces = torch.where(hidden, UNKNOWN, batch.pieces)
        batch = batch.to(device)
        # Under autocast the logits are bfloat16, which is too coarse for a loss.
        logits = model(input_ids=batch.pieces, attention_mask=batch.attention).logits.float()
        total = loss(logits, batch)
        # The mean over no pieces would be NaN.
        if settings.within_weight and (batch.within != IGNORED).any():
            total = total + settings.within_weight * cross_entropy(logits, labels_within(batch, continues))
        return total

    optimization = Optimization(
        settings.learning_rate,
        settings.matrix_learning_rate,
        averaging=settings.averaging,
        coarse=settings.coarse_products,
    )
    Trainer[Plan](title, model, optimization, state).run(
        plan_batches(examples, settings, max_length, seed), loss_of, after_step
    )
