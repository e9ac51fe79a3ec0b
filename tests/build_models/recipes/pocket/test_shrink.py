"""What is taken away is what contributes least, and what is left starts as the teacher."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel, XLMRobertaConfig

from build_models.architectures import ARCHITECTURES
from build_models.bases.shapes import Shape
from build_models.recipes.pocket.search import ladder
from build_models.recipes.pocket.shapes import default_shape, narrows, possible, shape_of
from build_models.recipes.pocket.shrink import Contributions, calibrate, compressed, contributions, layers_of, shrink
from build_models.recipes.pocket.teaching import imitation
from build_models.training.examples import IGNORED, Batch
from build_models.training.finetune import load_classifier
from tests.build_models.classifiers import IOB2, write_classifier

NARROWING = ["bert", "camembert", "electra", "roberta", "xlm-roberta"]


def batch_of(model: PreTrainedModel) -> Batch:
    torch.manual_seed(1)
    pieces = torch.randint(7, model.config.vocab_size - 1, (6, 16))
    labels = torch.where(torch.rand(pieces.shape) < 0.5, 0, IGNORED)
    return Batch(pieces, torch.ones_like(pieces), labels, labels)


def logits(model: PreTrainedModel, batch: Batch) -> Tensor:
    with torch.inference_mode():
        answer: Tensor = model.eval()(input_ids=batch.pieces, attention_mask=batch.attention).logits
    return answer


@pytest.fixture(params=sorted(ARCHITECTURES))
def teacher(request: pytest.FixtureRequest, tmp_path: Path) -> PreTrainedModel:
    write_classifier(tmp_path / "given", architecture=request.param)
    return load_classifier(tmp_path / "given", IOB2)


@pytest.fixture
def bert(tmp_path: Path) -> PreTrainedModel:
    write_classifier(tmp_path / "given", architecture="bert")
    return load_classifier(tmp_path / "given", IOB2)


def test_a_student_of_the_same_shape_is_the_teacher(teacher: PreTrainedModel) -> None:
    batch = batch_of(teacher)
    student = shrink(teacher, shape_of(teacher.config), contributions(teacher, [batch]))
    calibrate(student, teacher, batch)
    assert torch.allclose(logits(student.model, batch), logits(teacher, batch), atol=1e-5)
    assert imitation(student, teacher)(batch).item() < 1e-6


def test_every_architecture_gives_a_smaller_student_that_can_be_taught(teacher: PreTrainedModel) -> None:
    batch = batch_of(teacher)
    shape = Shape(width=16, layers=1, heads=2, feed_forward=20)
    student = shrink(teacher, shape, contributions(teacher, [batch]))
    calibrate(student, teacher, batch)
    assert narrows(teacher.config) == (teacher.config.model_type in NARROWING)
    assert len(layers_of(student.model)) == 1
    assert student.ends(2) == [1]
    if narrows(teacher.config):
        assert shape_of(student.model.config) == shape
        assert student.model.get_input_embeddings().weight.shape[1] == 16
    assert logits(student.model, batch).isfinite().all()
    loss = imitation(student, teacher)
    first = loss(batch)
    optimizer = torch.optim.SGD(student.model.parameters(), lr=0.02)
    for _ in range(20):
        optimizer.zero_grad()
        loss(batch).backward()
        optimizer.step()
    assert loss(batch).item() < 0.95 * first.item()


def test_what_adds_nothing_goes_first(bert: PreTrainedModel) -> None:
    with torch.no_grad():
        layer = layers_of(bert)[1]
        # The second head of four gives nothing; the neurons from 10 on neither.
        layer.attention.self.value.weight[8:16] = 0
        layer.attention.self.value.bias[8:16] = 0
        layer.intermediate.dense.weight[10:] = 0
        layer.intermediate.dense.bias[10:] = 0
    batch = batch_of(bert)
    parts = contributions(bert, [batch])
    assert parts.heads[1, 1] == 0
    assert (parts.heads[1, [0, 2, 3]] > 0).all()
    assert (parts.neurons[1, 10:] == 0).all()
    student = shrink(bert, Shape(width=32, layers=2, heads=4, feed_forward=10), parts)
    assert student.heads[1] == [0, 1, 2, 3]
    assert (contributions(student.model, [batch]).neurons[1] > 0).all()


def test_taking_away_what_contributes_least_changes_least(bert: PreTrainedModel) -> None:
    batch = batch_of(bert)
    parts = contributions(bert, [batch])
    opposite = Contributions(parts.layers, parts.heads, -parts.neurons, parts.moments)
    shape = Shape(width=32, layers=2, heads=4, feed_forward=12)
    before = logits(bert, batch)
    least, most = (
        (logits(shrink(bert, shape, some).model, batch) - before).pow(2).mean() for some in (parts, opposite)
    )
    assert least < most


def test_a_projection_keeps_what_lies_in_few_directions(bert: PreTrainedModel) -> None:
    batch = batch_of(bert)
    parts = contributions(bert, [batch])
    student = shrink(bert, Shape(width=24, layers=2, heads=4, feed_forward=48), parts)
    assert student.projection is not None
    assert torch.allclose(student.projection.T @ student.projection, torch.eye(24), atol=1e-5)
    apart = imitation(student, bert)(batch)
    calibrate(student, bert, batch)
    assert imitation(student, bert)(batch) < apart


def test_a_product_of_few_ranks_is_kept_whole() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(8, 20), torch.randn(8, 20)
    left[5:] = 0
    small_left, small_right = compressed(left, right, 5)
    assert small_left.shape == small_right.shape == (5, 20)
    assert torch.allclose(small_left.T @ small_right, left.T @ right, atol=1e-4)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (Shape(768, 8, 6, 3072), Shape(256, 4, 2, 1024)),
        (Shape(192, 4, 6, 768), Shape(96, 3, 3, 384)),
        (Shape(192, 3, 6, 768), Shape(96, 2, 3, 384)),
        (Shape(96, 2, 4, 256), Shape(96, 2, 4, 256)),
        (Shape(32, 1, 4, 48), Shape(32, 1, 4, 48)),
        (Shape(1024, 24, 16, 4096), Shape(320, 12, 5, 1280)),
        (Shape(768, 12, 12, 3072), Shape(256, 6, 4, 1024)),
        (Shape(640, 6, 10, 2560), Shape(192, 3, 3, 768)),
        (Shape(312, 4, 12, 1200), Shape(104, 3, 4, 400)),
        (Shape(256, 4, 4, 1024), Shape(96, 3, 2, 384)),
        (Shape(320, 4, 8, 1280), Shape(120, 3, 3, 480)),
        (Shape(368, 6, 16, 1472), Shape(138, 3, 6, 552)),
    ],
)
def test_the_default_shape(own: Shape, expected: Shape) -> None:
    assert default_shape(own) == expected
    config = XLMRobertaConfig(
        hidden_size=own.width, num_hidden_layers=own.layers, num_attention_heads=own.heads,
        intermediate_size=own.feed_forward, vocab_size=100,
    )  # fmt: skip
    assert possible(expected, config) == expected


def test_a_search_goes_from_whole_heads_of_the_same_size_to_smaller_ones() -> None:
    config = XLMRobertaConfig(
        hidden_size=192, num_hidden_layers=4, num_attention_heads=6, intermediate_size=768, vocab_size=100
    )
    shapes = ladder(config)
    assert shapes[:4] == [
        Shape(192, 3, 6, 768), Shape(160, 3, 5, 640), Shape(128, 3, 4, 512), Shape(96, 3, 3, 384)
    ]  # fmt: skip
    assert [(shape.width, shape.layers) for shape in shapes[4:]] == [(64, 3), (48, 3), (32, 3), (24, 3), (24, 1)]


def test_a_search_in_heads_of_an_odd_size_tries_even_widths_alone() -> None:
    config = XLMRobertaConfig(
        hidden_size=100, num_hidden_layers=2, num_attention_heads=4, intermediate_size=200, vocab_size=100
    )
    widths = [shape.width for shape in ladder(config)]
    assert widths == sorted(widths, reverse=True)
    assert all(width % 2 == 0 for width in widths)
    assert 75 not in widths
