"""Distillation students: a copy of the teacher with fewer layers, and the soft loss."""

from collections.abc import Sequence

from torch import Tensor, nn
from transformers import PreTrainedModel

from build_models.architectures import architecture_of
from build_models.errors import BuildError


def teacher_layers(teacher: int, student: int) -> list[int]:
    """The teacher layers that the student starts from: evenly spaced from the first to the last.

    A student of one layer gets the first, which was trained on embeddings as its input.
    """
    return [position * (teacher - 1) // max(1, student - 1) for position in range(student)]


def make_student(
    teacher: PreTrainedModel, layers: int | None, heads: int | None = None, chosen: Sequence[int] | None = None
) -> PreTrainedModel:
    """A copy of the teacher with ``layers`` of its layers (default: half, rounded up) and ``heads`` heads.

    ``chosen`` says which layers; by default they are evenly spaced. The number of heads changes how the matrices are
    split, not their size. Raises ``BuildError`` if there are more layers than the teacher has or the heads do not
    divide its width.
    """
    config = teacher.config
    layers = layers or (config.num_hidden_layers + 1) // 2
    heads = heads or config.num_attention_heads
    if layers > config.num_hidden_layers:
        raise BuildError(f"A student cannot have {layers} layers: its teacher has {config.num_hidden_layers}")
    if config.hidden_size % heads:
        raise BuildError(f"A student cannot have {heads} heads: they do not divide its width of {config.hidden_size}")
    student: PreTrainedModel = teacher.__class__._from_config(
        config.__class__.from_dict({**config.to_dict(), "num_hidden_layers": layers, "num_attention_heads": heads}),
        # Not part of to_dict().
        attn_implementation=config._attn_implementation,
    )
    chosen = chosen or teacher_layers(config.num_hidden_layers, layers)
    prefix = f"{teacher.base_model_prefix}.{architecture_of(config).layers}."
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


def soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² KL(teacher / T || student / T), averaged over the rows of logits of shape (rows, classes)."""
    return temperature**2 * nn.functional.kl_div(
        nn.functional.log_softmax(student / temperature, dim=-1),
        nn.functional.log_softmax(teacher / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )
