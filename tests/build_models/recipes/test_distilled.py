import math
import re
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from transformers import AutoConfig, BertConfig, XLMRobertaConfig, XLMRobertaForTokenClassification

from build_models.bases.source import Source
from build_models.build import build
from build_models.errors import BuildError
from build_models.recipes.agnostic import refuse_other_architectures
from build_models.recipes.distilled import distillation_loss, taught_by_answers
from build_models.recipes.students import make_student, teacher_layers
from build_models.settings import DistillationSettings
from build_models.training.examples import IGNORED, Batch
from service.ner.pipeline import Pipeline
from tests.build_models.conftest import Built
from tests.build_models.readings import largest_difference


def teacher_of(layers: int) -> XLMRobertaForTokenClassification:
    torch.manual_seed(5)
    return XLMRobertaForTokenClassification(
        XLMRobertaConfig(
            vocab_size=31,
            hidden_size=8,
            num_hidden_layers=layers,
            num_attention_heads=2,
            intermediate_size=12,
            max_position_embeddings=20,
            num_labels=3,
        )
    ).eval()


def layers_in_graph(built: Built, variant: str) -> set[str]:
    model = onnx.load(built.folder / variant / "model.onnx")
    names = [tensor.name for tensor in model.graph.initializer]
    return {match.group(1) for name in names if (match := re.search(r"encoder\.layer\.(\d+)\.", name))}


def test_the_student_has_half_the_layers(built: Built) -> None:
    layers = {
        name: AutoConfig.from_pretrained(built.folder / name).num_hidden_layers for name in ("dense", "distilled")
    }
    assert layers == {"dense": 2, "distilled": 1}
    assert layers_in_graph(built, "dense") == {"0", "1"}
    assert layers_in_graph(built, "distilled") == {"0"}
    operators = [node.op_type for node in onnx.load(built.folder / "distilled" / "model.onnx").graph.node]
    assert operators.count("Attention") == 1


def test_the_weights_that_went_are_one_layer(built: Built) -> None:
    width, wide = 96, 256
    layer = 4 * (width * width + width) + 2 * width * wide + wide + width + 4 * width
    assert built.manifests["dense"].parameters - built.manifests["distilled"].parameters == layer


def test_onnx_gives_the_checkpoint_s_logits(built: Built, pipelines: dict[str, Pipeline]) -> None:
    assert largest_difference(pipelines["distilled"], built.checkpoint("distilled")) < 1e-4


@pytest.mark.parametrize(
    ("teacher", "student", "chosen"),
    [
        (2, 1, [0]),
        (4, 2, [0, 3]),
        (8, 4, [0, 2, 4, 7]),
        (10, 5, [0, 2, 4, 6, 9]),
        (8, 3, [0, 3, 7]),
        (6, 6, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_which_layers_are_taken(teacher: int, student: int, chosen: list[int]) -> None:
    assert teacher_layers(teacher, student) == chosen


@pytest.mark.parametrize(("teacher_size", "student_size"), [(1, 1), (2, 1), (3, 2), (8, 4)])
def test_a_student_has_half_the_layers_rounded_up(teacher_size: int, student_size: int) -> None:
    assert make_student(teacher_of(teacher_size), None).config.num_hidden_layers == student_size


@pytest.mark.parametrize(("teacher_size", "student_size"), [(2, 1), (4, 2), (10, 5), (3, 3)])
def test_the_student_is_a_copy_bit_for_bit(teacher_size: int, student_size: int) -> None:
    teacher = teacher_of(teacher_size)
    student = make_student(teacher, student_size)
    assert student.config.num_hidden_layers == student_size
    assert teacher.config.num_hidden_layers == teacher_size
    theirs, ours = teacher.state_dict(), student.state_dict()
    chosen = teacher_layers(teacher_size, student_size)

    def origin(name: str) -> str:
        return re.sub(r"layer\.(\d+)\.", lambda match: f"layer.{chosen[int(match.group(1))]}.", name)

    assert ours
    for name, weight in ours.items():
        assert torch.equal(weight, theirs[origin(name)]), name
    # It is a copy: training the student must leave its teacher alone.
    addresses = {weight.data_ptr() for weight in theirs.values()}
    assert not addresses & {weight.data_ptr() for weight in ours.values()}


def test_a_student_of_all_layers_answers_like_its_teacher() -> None:
    teacher = teacher_of(3)
    pieces = torch.tensor([[0, 7, 9, 30, 2]])
    assert torch.equal(make_student(teacher, 3).eval()(pieces).logits, teacher(pieces).logits)


@pytest.mark.parametrize("way", ["eager", "sdpa"])
def test_a_student_attends_in_the_way_its_teacher_does(way: str) -> None:
    teacher = XLMRobertaForTokenClassification._from_config(teacher_of(2).config, attn_implementation=way)
    assert make_student(teacher, 1).config._attn_implementation == way


def test_more_layers_than_the_teacher_has_are_refused(copy: Built) -> None:
    settings = replace(copy.settings, distillation=DistillationSettings(layers=3))
    with pytest.raises(BuildError, match=r"3 layers.*has 2"):
        build(settings, ["distilled"])


def test_the_loss_against_one_computed_by_hand() -> None:
    settings = DistillationSettings(temperature=2.0, alpha=0.7)
    student = torch.tensor([[[2.0, 0.0], [5.0, -5.0], [0.0, 4.0]]])
    teacher = torch.tensor([[[4.0, 0.0], [-9.0, 9.0], [0.0, 2.0]]])
    labels = torch.tensor([[0, IGNORED, 1]])

    def two_way(first: float, second: float) -> tuple[float, float]:
        total = math.exp(first) + math.exp(second)
        return math.exp(first) / total, math.exp(second) / total

    def divergence(p: tuple[float, float], q: tuple[float, float]) -> float:
        return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))

    # The piece in the middle has no label and counts for nothing. Logits over T = 2, mean over two pieces.
    soft = (divergence(two_way(2, 0), two_way(1, 0)) + divergence(two_way(0, 1), two_way(0, 2))) / 2
    hard = -(math.log(two_way(2, 0)[0]) + math.log(two_way(0, 4)[1])) / 2
    expected = 0.7 * 4 * soft + 0.3 * hard
    assert float(distillation_loss(student, teacher, labels, settings)) == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_least_when_the_student_says_what_the_teacher_says() -> None:
    settings = DistillationSettings(temperature=2.0, alpha=1.0)
    torch.manual_seed(1)
    teacher, noise = torch.randn(2, 6, 5), torch.randn(2, 6, 5)
    labels = torch.randint(0, 5, (2, 6))
    losses = [
        float(distillation_loss(teacher + share * noise, teacher, labels, settings)) for share in (1.0, 0.5, 0.1, 0.0)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 0.01
    assert losses[-1] == pytest.approx(0, abs=1e-6)


def test_alpha_zero_is_the_labels_alone() -> None:
    settings = DistillationSettings(temperature=3.0, alpha=0.0)
    torch.manual_seed(2)
    student, teacher, labels = torch.randn(2, 6, 5), torch.randn(2, 6, 5), torch.randint(0, 5, (2, 6))
    expected = torch.nn.functional.cross_entropy(student.reshape(-1, 5), labels.reshape(-1))
    assert float(distillation_loss(student, teacher, labels, settings)) == pytest.approx(float(expected), rel=1e-6)


def test_answers_that_a_teacher_gave_before_teach_like_the_teacher() -> None:
    settings = DistillationSettings(temperature=2.0, alpha=0.7)
    torch.manual_seed(3)
    student, teacher, labels = torch.randn(2, 6, 5), torch.randn(2, 6, 5), torch.randint(0, 5, (2, 6))
    labels[:, ::2] = IGNORED
    answers = torch.where((labels == IGNORED)[..., None], 0.0, teacher)
    batch = Batch(labels, labels, labels, labels, answers)
    assert taught_by_answers(settings)(student, batch).equal(distillation_loss(student, teacher, labels, settings))


def test_the_student_learnt_from_its_teacher(built: Built, pipelines: dict[str, Pipeline]) -> None:
    """Trained with the teacher's logits it must do better than chance would."""
    assert built.manifests["distilled"].metrics["test"].f1 > 0.5 * built.manifests["dense"].metrics["test"].f1


def test_bases_of_other_families_are_not_distilled_without_a_task(tmp_path: Path) -> None:
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(BuildError, match="--agnostic-steps works with camembert, roberta, xlm-roberta; mine is a bert"):
        refuse_other_architectures(Source(tmp_path, "mine", None))
    XLMRobertaConfig().save_pretrained(tmp_path)
    refuse_other_architectures(Source(tmp_path, "mine", None))
