"""Students of any teacher: a copy with some of its layers, and the loss that teaches it."""

from torch import Tensor, nn
from transformers import PreTrainedModel

from build_models.errors import BuildError


def teacher_layers(teacher: int, student: int) -> list[int]:
    """Which of the teacher's layers the student starts from: the first, the last, and between them spread evenly.

    A student of one layer gets the first: it is the one that is used to reading embeddings.
    """
    return [position * (teacher - 1) // max(1, student - 1) for position in range(student)]


def make_student(teacher: PreTrainedModel, layers: int | None, heads: int | None = None) -> PreTrainedModel:
    """A copy of the teacher with some of its layers, by default half of them, and its own number of heads.

    Other heads split the same matrices in another way: they change neither size nor cost, only what is attended to.
    Raises ``BuildError`` for more layers than the teacher has, or heads that its width cannot be split into.
    """
    config = teacher.config
    layers = layers or max(1, config.num_hidden_layers // 2)
    heads = heads or config.num_attention_heads
    if layers > config.num_hidden_layers:
        raise BuildError(f"A student of {layers} layers: its teacher has {config.num_hidden_layers}")
    if config.hidden_size % heads:
        raise BuildError(f"A student of {heads} heads: they do not divide its width of {config.hidden_size}")
    student: PreTrainedModel = teacher.__class__._from_config(
        config.__class__.from_dict({**config.to_dict(), "num_hidden_layers": layers, "num_attention_heads": heads}),
        # No configuration that is written down holds it.
        attn_implementation=config._attn_implementation,
    )
    chosen = teacher_layers(config.num_hidden_layers, layers)
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


def soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² KL(teacher / T || student / T), mean over the rows of logits of shape (rows, classes)."""
    return temperature**2 * nn.functional.kl_div(
        nn.functional.log_softmax(student / temperature, dim=-1),
        nn.functional.log_softmax(teacher / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )
