"""The shapes that a student can have."""

from dataclasses import astuple, replace

from transformers import PretrainedConfig

from build_models.architectures import architecture_of
from build_models.bases.shapes import Shape
from build_models.errors import BuildError

NARROWEST = 96
"""Below this width, the fixed cost of a graph's nodes is most of the time."""


def shape_of(config: PretrainedConfig) -> Shape:
    # DistilBERT calls it differently.
    neurons = config.hidden_dim if config.model_type == "distilbert" else config.intermediate_size
    return Shape(config.hidden_size, config.num_hidden_layers, config.num_attention_heads, neurons)


def narrows(config: PretrainedConfig) -> bool:
    """Whether heads, neurons and width can be removed from such a model, not only layers."""
    # ELECTRA's embeddings may have another width than its layers.
    same_width: bool = getattr(config, "embedding_size", config.hidden_size) == config.hidden_size
    return architecture_of(config).narrows and same_width


def possible(shape: Shape, config: PretrainedConfig) -> Shape:
    """The shape, or for a model that does not narrow, its own with as many layers.

    Raises ``BuildError`` for one that no student of the model can have.
    """
    own = shape_of(config)
    if not narrows(config):
        shape = replace(own, layers=shape.layers)
    if any(wanted > there for wanted, there in zip(astuple(shape), astuple(own), strict=True)):
        raise BuildError(f"pocket cannot be larger than dense, which has {own}; asked for was {shape}")
    if shape.width % 2 or shape.width % shape.heads or shape.width // shape.heads > own.width // own.heads:
        size = own.width // own.heads
        raise BuildError(
            f"pocket cannot be {shape.width} wide with {shape.heads} heads: the width must be even, the heads must"
            f" divide it, and none may be wider than the {size} of dense's"
        )
    return shape


def smallest_heads(width: int, shape: Shape) -> int:
    """The number of heads that a student of this width keeps: heads of the same size if they fit, else the fewest that
    are not larger.
    """
    return next(iter(fitting_heads(width, shape)), shape.heads)


def fitting_heads(width: int, shape: Shape) -> list[int]:
    """The numbers of heads that divide the width, into heads no larger than those of ``shape``."""
    size = shape.width // shape.heads
    return [heads for heads in range(1, shape.heads + 1) if width % heads == 0 and width // heads <= size]


def student_layers(layers: int) -> int:
    """Half the layers of the teacher, but at least three of four or more, and two of fewer.

    At the same size, a narrower student of three layers loses less than a wider one of two.
    """
    return min(layers, max(2, min(3, layers - 1), layers // 2))


def scaled(shape: Shape, width: int) -> Shape:
    """The shape with this width and ``student_layers``."""
    return Shape(
        width=width,
        layers=student_layers(shape.layers),
        heads=smallest_heads(width, shape),
        feed_forward=shape.feed_forward * width // shape.width,
    )


def default_shape(shape: Shape) -> Shape:
    """A third of the width, in a model that is wide enough to spare it: in whole heads, or else in smaller ones."""
    head, third = shape.width // shape.heads, max(NARROWEST, shape.width // 3)
    whole = third // head * head
    widths = (*range(whole, NARROWEST - 1, -head), third // 2 * 2, *range(whole + head, shape.width, head))
    # Two numbers to a byte: the width is even.
    possible_widths = (width for width in widths if width % 2 == 0 and fitting_heads(width, shape))
    return scaled(shape, min(shape.width, next(possible_widths, shape.width)))
