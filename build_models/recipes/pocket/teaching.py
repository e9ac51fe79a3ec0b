"""Teaches a student in two steps: first the teacher's internal states, then its predictions.

In the first step, the student learns the teacher's hidden states, projected to the student's width, and the attention
of the heads that it has kept (Jiao et al. 2020, TinyBERT). Both models read the same pieces. In the second step, it
learns the labels and the teacher's logits, as in ``distilled``. If the examples come with logits, the teacher has
already read the plain sentences with its own vocabulary: hiding words and joining sentences then affect only the
student.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from build_models.recipes.distilled import taught_by, taught_by_answers
from build_models.recipes.pocket.shrink import Student, layers_of
from build_models.settings import DistillationSettings, FinetuneSettings
from build_models.training.devices import training_device
from build_models.training.examples import Batch, Example, Plan, collate, plan_batches, rows_of
from build_models.training.finetune import finetune
from build_models.training.loop import Optimization, Trainer

SMALLEST = 1e-6
"""Attention below this is none."""


def imitation(student: Student, teacher: PreTrainedModel) -> Callable[[Batch], Tensor]:
    """The loss of the first step: the share of the hidden states' variance that is missed, and the divergence of the
    attention, both averaged over the layers."""
    ends = student.ends(len(layers_of(teacher)))
    projection = None if student.projection is None else student.projection.to(training_device())

    def loss(batch: Batch) -> Tensor:
        inputs = {"input_ids": batch.pieces, "attention_mask": batch.attention}
        with torch.no_grad():
            theirs = teacher(**inputs, output_hidden_states=True, output_attentions=True)
        ours = student.model(**inputs, output_hidden_states=True, output_attentions=True)
        read = batch.attention.bool()
        total = torch.zeros((), device=batch.pieces.device)
        for layer, (start, end, heads) in enumerate(zip(student.layers, ends, student.heads, strict=True)):
            wanted = theirs.hidden_states[end + 1][read]
            if projection is not None:
                wanted = wanted @ projection
            total = total + nn.functional.mse_loss(ours.hidden_states[layer + 1][read], wanted) / wanted.var()
            attended = theirs.attentions[start][:, heads].transpose(1, 2)[read]
            given = ours.attentions[layer].transpose(1, 2)[read]
            # The mean over heads and pieces of a divergence over the pieces that are attended to.
            divergence = nn.functional.kl_div(given.clamp(SMALLEST).log(), attended, reduction="sum")
            total = total + divergence / (len(attended) * len(heads))
        return total / len(student.layers)

    return loss


def teach(
    student: Student,
    teacher: PreTrainedModel,
    examples: Sequence[Example],
    first: FinetuneSettings,
    second: FinetuneSettings,
    distillation: DistillationSettings,
    max_length: int,
    seed: int,
    state: Path,
) -> None:
    """Both steps; each may have no epochs."""
    device = training_device()
    teacher.eval().to(device)
    student.model.to(device)
    if first.epochs:
        padding = int(student.model.config.pad_token_id)
        loss = imitation(student, teacher)
        optimization = Optimization(first.learning_rate, first.matrix_learning_rate, coarse=first.coarse_products)
        Trainer[Plan]("pocket: hidden states", student.model, optimization, state / "hidden").run(
            plan_batches(examples, first, max_length, seed),
            lambda plan: loss(collate(rows_of(examples, plan), padding).to(device)),
        )
    if second.epochs:
        answered = all(example.answers is not None for example in examples)
        finetune(
            "pocket: labels",
            student.model,
            examples,
            # Their pieces would be the whole vocabulary's.
            replace(second, respelled_names=0.0, respelled_words=0.0),
            max_length,
            seed,
            state / "labels",
            loss=taught_by_answers(distillation) if answered else taught_by(teacher, distillation),
        )
