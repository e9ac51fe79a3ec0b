"""Knowledge distillation: a student with fewer of the teacher's layers learns its logits and the labels.

The teacher is fine-tuned first; ``agnostic.py`` distils before fine-tuning. The student starts with some of the
teacher's layers, its embeddings and its head (Sanh et al. 2019). The loss, on first pieces, is
alpha T² KL(teacher / T || student / T) + (1 - alpha) cross entropy (Hinton et al. 2015).
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from build_models.artifacts.checkpoint_files import count_parameters
from build_models.artifacts.export import exported
from build_models.artifacts.onnx_files import copy as copy_onnx
from build_models.recipes import dense
from build_models.recipes.agnostic import student_base
from build_models.recipes.context import Context, Made, Parent
from build_models.recipes.students import make_student, soft_cross_entropy
from build_models.settings import DistillationSettings, FinetuneSettings
from build_models.training.devices import training_device
from build_models.training.examples import IGNORED, Batch
from build_models.training.finetune import cross_entropy, load_classifier
from build_models.workspace.workspace import result_digest
from service.artifacts.manifest import Manifest
from service.runtimes.onnx import MODEL


def distillation_loss(
    student: Tensor, teacher: Tensor, labels: Tensor, settings: DistillationSettings, taught: Tensor | None = None
) -> Tensor:
    """The loss for logits of shape (rows, pieces, labels): over the ``taught`` pieces, by default the labelled ones."""
    known = labels != IGNORED if taught is None else taught
    soft = soft_cross_entropy(student[known], teacher[known], settings.temperature)
    return settings.alpha * soft + (1 - settings.alpha) * cross_entropy(student, labels)


def taught_by(teacher: PreTrainedModel, settings: DistillationSettings) -> Callable[[Tensor, Batch], Tensor]:
    """The loss of a model that learns the labels and the logits of a teacher that reads the same pieces."""
    teacher.eval().to(training_device())

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        with torch.inference_mode():
            targets = teacher(input_ids=batch.pieces, attention_mask=batch.attention).logits
        taught = batch.attention.bool() if settings.every_piece else None
        return distillation_loss(logits, targets.float().clone(), batch.labels, settings, taught)

    return loss


def taught_by_answers(settings: DistillationSettings) -> Callable[[Tensor, Batch], Tensor]:
    """The loss of a model that learns the labels and the answers in its batches."""

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        assert batch.answers is not None
        return distillation_loss(logits, batch.answers, batch.labels, settings)

    return loss


def checkpoint(context: Context, teacher_folder: Path) -> Path:
    """The checkpoint of the student taught by the fine-tuned ``teacher_folder``."""
    settings = context.settings
    inputs = context.inputs(
        stage="distilled", teacher=context.parent("dense", teacher_folder).digest, **parameters(context)
    )

    def run(result: Path, state: Path) -> None:
        torch.manual_seed(settings.seed)
        teacher = load_classifier(teacher_folder, context.labels)
        student = make_student(teacher, settings.distillation.layers, settings.distillation.heads)
        loss = taught_by(teacher, settings.distillation)
        context.finetune("distilled", student, training(context), state, loss=loss)
        dense.save(student, context.source.folder, result)

    return context.workspace.stage("distilled", inputs, run)


def agnostic_checkpoint(context: Context, student: Path) -> Path:
    """The checkpoint of the fine-tuned student base ``student``."""
    settings = context.settings
    inputs = context.inputs(stage="distilled", student=result_digest(student), **parameters(context))

    def run(result: Path, state: Path) -> None:
        torch.manual_seed(settings.seed)
        model = load_classifier(student, context.labels)
        context.finetune("distilled", model, training(context), state)
        dense.save(model, context.source.folder, result)

    return context.workspace.stage("distilled", inputs, run)


def training(context: Context) -> FinetuneSettings:
    """The fine-tuning settings of the student.

    By default it trains for half the teacher's epochs if it starts from a fine-tuned teacher, else for as many.
    """
    settings = context.settings
    epochs = settings.finetune.epochs
    if not settings.distillation.agnostic_steps:
        epochs = max(1, epochs // 2)
    return replace(settings.finetune, epochs=settings.distillation.epochs or epochs)


def parameters(context: Context) -> dict[str, object]:
    settings = context.settings.distillation
    return {
        "finetune": asdict(training(context)),
        # The corpus enters by content, through the student's digest, not by path.
        "distillation": {name: value for name, value in asdict(settings).items() if name != "corpus"},
    }


def trained_student(context: Context) -> tuple[Path, Parent]:
    """The student's checkpoint and its parent."""
    if context.settings.distillation.agnostic_steps:
        student = student_base(context)
        return agnostic_checkpoint(context, student), context.parent("student", student)
    teacher = dense.checkpoint(context)
    return checkpoint(context, teacher), context.parent("dense", teacher)


def build(context: Context) -> Manifest:
    trained, parent = trained_student(context)

    def fill(folder: Path) -> Made:
        copy_onnx(exported(context.workspace, "distilled", trained) / MODEL, folder / MODEL)
        return Made(*count_parameters(trained))

    return context.artifact("distilled", trained, parent, parameters(context), fill)
