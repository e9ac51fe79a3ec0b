"""Named dimensions of the encoders that can be pretrained."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """The dimensions of an XLM-R encoder."""

    width: int
    layers: int
    heads: int
    feed_forward: int


AFRIBERTA_PIECES = 70_006
"""Size of AfriBERTa's vocabulary."""

SHAPES = {
    "tiny": Shape(width=96, layers=2, heads=4, feed_forward=256),
    "mini": Shape(width=128, layers=4, heads=4, feed_forward=256),
    # For studies of compression on a CPU: wide enough to have something to lose.
    "midi": Shape(width=192, layers=4, heads=6, feed_forward=768),
    # AfriBERTa's base and large at an eighth of their width and well under half of their layers, for studies on a CPU.
    "study-base": Shape(width=96, layers=3, heads=4, feed_forward=384),
    "study-large": Shape(width=96, layers=4, heads=4, feed_forward=384),
    # The same at a sixth of their width.
    "study-wide": Shape(width=128, layers=3, heads=4, feed_forward=512),
    "study-wide-large": Shape(width=128, layers=4, heads=4, feed_forward=512),
    # AfriBERTa's sizes (Ogueji et al. 2021, table 2).
    "small": Shape(width=768, layers=4, heads=6, feed_forward=3072),
    "base": Shape(width=768, layers=8, heads=6, feed_forward=3072),
    "large": Shape(width=768, layers=10, heads=6, feed_forward=3072),
}
