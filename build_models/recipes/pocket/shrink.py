"""A smaller student that starts as the teacher without what contributes least.

What a head, a neuron or a layer contributes is the change of the loss if it were taken away, to first order (Michel et
al. 2019, Molchanov et al. 2019): its output times the gradient, summed over the pieces of a batch. The width shrinks
by one projection for the whole model, onto the directions in which its hidden states vary most.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from build_models.architectures import architecture_of
from build_models.bases.shapes import Shape
from build_models.recipes.pocket.shapes import narrows, shape_of
from build_models.recipes.students import make_student
from build_models.training.examples import IGNORED, Batch
from build_models.training.finetune import cross_entropy


@dataclass
class Contributions:
    """Contributions of layers (layers,), heads (layers, heads) and neurons (layers, neurons), and the second moments of
    the hidden states (width, width).
    """

    layers: Tensor
    heads: Tensor
    neurons: Tensor
    moments: Tensor


def layers_of(model: PreTrainedModel) -> nn.ModuleList:
    layers = model.base_model.get_submodule(architecture_of(model.config).layers)
    assert isinstance(layers, nn.ModuleList)
    return layers


def contributions(model: PreTrainedModel, batches: Iterable[Batch]) -> Contributions:
    """Estimate how much each part of the model contributes to the loss on the batches, with the model's predictions as
    labels.
    """
    shape = shape_of(model.config)
    heads, neurons, layers = (torch.zeros(shape.layers, n) for n in (shape.heads, shape.feed_forward, 1))
    moments = torch.zeros(shape.width, shape.width, dtype=torch.float64)
    watched: dict[tuple[str, int], tuple[nn.Module, Tensor]] = {
        **{("layer", number): (layer, layers) for number, layer in enumerate(layers_of(model))},
    }
    if narrows(model.config):
        layer: Any
        for number, layer in enumerate(layers_of(model)):
            watched["heads", number] = (layer.attention.self, heads)
            watched["neurons", number] = (layer.intermediate, neurons)
    model.eval()
    for batch in batches:
        with outputs_of({key: module for key, (module, _) in watched.items()}) as seen:
            result = model(input_ids=batch.pieces, attention_mask=batch.attention)
            answers = torch.where(batch.labels == IGNORED, IGNORED, result.logits.argmax(dim=-1))
            gradients = torch.autograd.grad(
                cross_entropy(result.logits, answers), [output for output, _ in seen.values()], allow_unused=True
            )
        read = batch.attention.bool()
        for (key, (output, entered)), gradient in zip(seen.items(), gradients, strict=True):
            total = watched[key][1][key[1]]
            # A removed layer passes its input on; a removed head or neuron outputs zero.
            lost = output - entered if key[0] == "layer" else output
            change = (lost * gradient)[read].sum(dim=0)
            total += change.view(len(total), -1).sum(dim=1).abs().detach().cpu()
            if key[0] == "layer":
                states = torch.nn.functional.normalize(output.detach()[read].double(), dim=-1)
                moments += (states.T @ states).cpu() / len(states)
    return Contributions(layers.squeeze(1), heads, neurons, moments)


@contextmanager
def outputs_of(modules: dict[tuple[str, int], nn.Module]) -> Iterator[dict[tuple[str, int], tuple[Tensor, Tensor]]]:
    """What each module gives and takes in the forward pass within the block."""
    seen: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}

    def watch(key: tuple[str, int]) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]) -> None:
            seen[key] = (output if isinstance(output, Tensor) else output[0], inputs[0])

        return hook

    hooks = [module.register_forward_hook(watch(key)) for key, module in modules.items()]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@dataclass
class Student:
    """A model, and which of the teacher's layers, and of the heads of these, its own stand for. ``projection`` maps the
    teacher's hidden states to its own, (teacher's width, width); None is the identity."""

    model: PreTrainedModel
    layers: list[int]
    heads: list[list[int]]
    projection: Tensor | None

    def ends(self, layers: int) -> list[int]:
        """For each layer of the student, the last of the teacher's ``layers`` that it replaces."""
        return [following - 1 for following in [*self.layers[1:], layers]]


def shrink(teacher: PreTrainedModel, shape: Shape, parts: Contributions) -> Student:
    """A student of this shape. Architectures that do not narrow only lose layers."""
    own = shape_of(teacher.config)
    chosen = top(parts.layers, shape.layers)
    if teacher.config.model_type == "modernbert":
        # Its first layer has no norm before the attention, so no other can take its place.
        chosen = [0, *(1 + layer for layer in top(parts.layers[1:], shape.layers - 1))]
    if not narrows(teacher.config):
        student = make_student(teacher, shape.layers, chosen=chosen)
        return Student(student, chosen, [list(range(own.heads))] * shape.layers, None)
    config = teacher.config.__class__.from_dict(
        {
            **teacher.config.to_dict(),
            "hidden_size": shape.width,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "intermediate_size": shape.feed_forward,
        }
    )
    if config.model_type == "electra":
        config.embedding_size = shape.width
    student = teacher.__class__._from_config(config, attn_implementation=teacher.config._attn_implementation)
    projection = None
    if shape.width < own.width:
        directions = torch.linalg.eigh(parts.moments).eigenvectors
        projection = directions[:, -shape.width :].flip(1).float()
    narrow = projection if projection is not None else torch.eye(own.width)
    heads = [top(parts.heads[layer], shape.heads) for layer in chosen]
    weights = student.state_dict()
    taken = {name: value for name, value in teacher.state_dict().items() if name in weights}
    with torch.no_grad():
        # Embeddings, classifier, and whatever a head has between: every axis of the old width is projected.
        for name, value in taken.items():
            if ".layer." not in name and (matrix := narrowed(value, narrow)).shape == weights[name].shape:
                weights[name].copy_(matrix)
        for new, (old, some) in enumerate(zip(chosen, heads, strict=True)):
            copy_layer(layers_of(teacher)[old], layers_of(student)[new], some, parts.neurons[old], narrow)
    return Student(student, chosen, heads, projection)


def top(scores: Tensor, count: int) -> list[int]:
    """The indices of the ``count`` highest scores, in order."""
    return sorted(torch.argsort(scores, descending=True, stable=True)[:count].tolist())


def narrowed(value: Tensor, narrow: Tensor) -> Tensor:
    """Project a matrix whose last axis is the width; return anything else unchanged."""
    return value @ narrow if value.ndim == 2 and value.shape[1] == len(narrow) else value


def copy_layer(teacher: nn.Module, student: nn.Module, heads: list[int], neurons: Tensor, narrow: Tensor) -> None:
    """Fill a layer with the chosen heads and the neurons that contribute most."""
    attention: Any = teacher.attention
    new: Any = student.attention
    size = attention.self.attention_head_size
    smaller = new.self.attention_head_size
    rows = [range(head * size, (head + 1) * size) for head in heads]
    for number, some in enumerate(map(list, rows)):
        place = slice(number * smaller, (number + 1) * smaller)
        query, key = (projected(linear, some, narrow) for linear in (attention.self.query, attention.self.key))
        value = projected(attention.self.value, some, narrow)
        output = (attention.output.dense.weight[:, some].T @ narrow).T
        if smaller < size:
            query, key = compressed(query, key, smaller)
            # The bias of the values is added whatever is attended to: it is in the output's.
            value, output = compressed(value, output.T, smaller)
            output = output.T
            # Sharpness: logits are divided by the root of the size.
            query, key = (matrix * (smaller / size) ** 0.25 for matrix in (query, key))
        for linear, matrix in ((new.self.query, query), (new.self.key, key), (new.self.value, value)):
            linear.weight[place].copy_(matrix[:, :-1])
            linear.bias[place].copy_(matrix[:, -1])
        new.output.dense.weight[:, place].copy_(output)
    new.output.dense.bias.copy_(attention.output.dense.bias @ narrow)
    best = top(neurons, len(student.intermediate.dense.bias))  # type: ignore[union-attr, arg-type]
    old: Any = teacher
    small: Any = student
    small.intermediate.dense.weight.copy_(old.intermediate.dense.weight[best] @ narrow)
    small.intermediate.dense.bias.copy_(old.intermediate.dense.bias[best])
    small.output.dense.weight.copy_((old.output.dense.weight[:, best].T @ narrow).T)
    small.output.dense.bias.copy_(old.output.dense.bias @ narrow)
    for ours, theirs in (
        (new.output.LayerNorm, attention.output.LayerNorm),
        (small.output.LayerNorm, old.output.LayerNorm),
    ):
        if len(narrow) == narrow.shape[1]:
            ours.load_state_dict(theirs.state_dict())


def projected(linear: nn.Linear, rows: list[int], narrow: Tensor) -> Tensor:
    """The rows of a layer on narrow inputs, with the bias as the last column."""
    return torch.cat([linear.weight[rows] @ narrow, linear.bias[rows, None]], dim=1)


def compressed(left: Tensor, right: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Matrices of ``rank`` rows whose product ``left.T @ right`` is closest to that of the given ones."""
    # By QR first: the product is as wide as the model, its rank that of a head.
    left_basis, left_small = torch.linalg.qr(left.T)
    right_basis, right_small = torch.linalg.qr(right.T)
    before, values, after = torch.linalg.svd(left_small @ right_small.T)
    root = values[:rank].sqrt()[:, None]
    return root * (left_basis @ before[:, :rank]).T, root * (right_basis @ after[:rank].T).T


@torch.no_grad()
def calibrate(student: Student, teacher: PreTrainedModel, batch: Batch) -> None:
    """Set the layer norms of a narrower student such that they give what the teacher's do, projected.

    A layer norm of fewer dimensions subtracts another mean and divides by another deviation. The gains and biases that
    make up for it are those of a least-squares fit for each dimension, one layer norm after the other.
    """
    if student.projection is None:
        return
    read = batch.attention.bool()
    teachers, students = norms(teacher), norms(student.model)
    wanted_of = [teachers[0]]
    for layer, end in zip(student.layers, student.ends(len(layers_of(teacher))), strict=True):
        wanted_of += [teachers[1 + 2 * layer], teachers[2 + 2 * end]]
    with outputs_of({("norm", number): norm for number, norm in enumerate(wanted_of)}) as seen:
        teacher(input_ids=batch.pieces, attention_mask=batch.attention)
    targets = [seen["norm", number][0][read] @ student.projection for number in range(len(wanted_of))]

    def fit(target: Tensor) -> Any:
        def hook(norm: nn.Module, inputs: tuple[Tensor], _: Tensor) -> Tensor:
            assert isinstance(norm, nn.LayerNorm)
            plain = nn.functional.layer_norm(inputs[0], norm.normalized_shape, eps=norm.eps)
            given = plain[read]
            mean, wanted = given.mean(dim=0), target.mean(dim=0)
            gain = ((given - mean) * (target - wanted)).mean(dim=0) / given.var(dim=0, unbiased=False).clamp(min=1e-6)
            norm.weight.copy_(gain)
            norm.bias.copy_(wanted - gain * mean)
            return plain * norm.weight + norm.bias

        return hook

    hooks = [norm.register_forward_hook(fit(target)) for norm, target in zip(students, targets, strict=True)]
    try:
        student.model(input_ids=batch.pieces, attention_mask=batch.attention)
    finally:
        for hook in hooks:
            hook.remove()


def norms(model: PreTrainedModel) -> list[nn.LayerNorm]:
    """The layer norms of the embeddings and of the layers, in the order in which they are computed."""
    base: Any = model.base_model
    found = [base.embeddings.LayerNorm]
    for layer in layers_of(model):
        found += [layer.attention.output.LayerNorm, layer.output.LayerNorm]  # type: ignore[union-attr]
    return found
