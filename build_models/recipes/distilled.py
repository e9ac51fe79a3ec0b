"""Knowledge distillation: a student with half the teacher's layers learns its logits and the labels.

The student starts as every second layer of the teacher with the teacher's embeddings and head (Sanh et al. 2019).
The loss is alpha T² KL(teacher / T || student / T) + (1 - alpha) cross entropy (Hinton et al. 2015).
"""

from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from build_models.context import Context, Made, count_parameters
from build_models.errors import BuildError
from build_models.export import export_onnx
from build_models.finetune import IGNORED, Batch, cross_entropy, finetune, load_classifier
from build_models.recipes import dense
from build_models.settings import DistillationSettings, FinetuneSettings
from service.manifest import Manifest
from service.runtimes.onnx import MODEL


def teacher_layers(teacher: int, student: int) -> list[int]:
    """Which of the teacher's layers the student starts from: spread evenly, the last one among them."""
    return [(position + 1) * teacher // student - 1 for position in range(student)]


def make_student(teacher: PreTrainedModel, layers: int) -> PreTrainedModel:
    """A copy of the teacher with only some of its layers."""
    config = teacher.config.__class__.from_dict({**teacher.config.to_dict(), "num_hidden_layers": layers})
    student: PreTrainedModel = teacher.__class__(config)
    chosen = teacher_layers(teacher.config.num_hidden_layers, layers)
    prefix = f"{teacher.base_model_prefix}.encoder.layer."
    weights = {}
    for name, value in teacher.state_dict().items():
        if name.startswith(prefix):
            layer, _, rest = name.removeprefix(prefix).partition(".")
            if int(layer) not in chosen:
                continue
            name = f"{prefix}{chosen.index(int(layer))}.{rest}"
        weights[name] = value.clone()
    student.load_state_dict(weights)
    return student


def distillation_loss(student: Tensor, teacher: Tensor, labels: Tensor, settings: DistillationSettings) -> Tensor:
    """Both terms over the labelled pieces only; logits of shape (rows, pieces, labels)."""
    known = labels != IGNORED
    soft = nn.functional.kl_div(
        nn.functional.log_softmax(student[known] / settings.temperature, dim=-1),
        nn.functional.log_softmax(teacher[known] / settings.temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )
    hard = cross_entropy(student, labels)
    return settings.alpha * settings.temperature**2 * soft + (1 - settings.alpha) * hard


def checkpoint(context: Context, teacher_folder: Path) -> Path:
    settings = context.settings
    inputs = context.inputs(
        stage="distilled", teacher=context.parent("dense", teacher_folder).digest, **parameters(context)
    )

    def run(result: Path, state: Path) -> None:
        torch.manual_seed(settings.seed)
        teacher = load_classifier(teacher_folder, context.labels).eval()
        layers = settings.distillation.layers or max(1, teacher.config.num_hidden_layers // 2)
        if layers > teacher.config.num_hidden_layers:
            raise BuildError(f"A student of {layers} layers: its teacher has {teacher.config.num_hidden_layers}")
        student = make_student(teacher, layers)

        def loss(logits: Tensor, batch: Batch) -> Tensor:
            with torch.inference_mode():
                targets = teacher(input_ids=batch.pieces, attention_mask=batch.attention).logits
            return distillation_loss(logits, targets.clone(), batch.labels, settings.distillation)

        finetune(
            "distilled",
            student,
            context.examples,
            training(context),
            settings.max_length,
            settings.seed,
            state,
            loss=loss,
        )
        dense.save(student, context.base, result)

    return context.workspace.stage("distilled", inputs, run)


def training(context: Context) -> FinetuneSettings:
    """The student's own number of epochs, by default half the teacher's: it starts from what that knows."""
    settings = context.settings
    return replace(settings.finetune, epochs=settings.distillation.epochs or max(1, settings.finetune.epochs // 2))


def parameters(context: Context) -> dict[str, object]:
    return {
        "finetune": asdict(training(context)),
        "distillation": asdict(context.settings.distillation),
    }


def build(context: Context) -> Manifest:
    teacher = dense.checkpoint(context)
    trained = checkpoint(context, teacher)

    def fill(folder: Path) -> Made:
        export_onnx(trained, folder / MODEL)
        return Made(*count_parameters(trained))

    return context.artifact("distilled", trained, context.parent("dense", teacher), parameters(context), fill)
