"""Everything that a build can be told, with the defaults."""

from dataclasses import dataclass, field
from pathlib import Path

from build_models.base import BaseSettings
from service.settings import available_cpus


@dataclass(frozen=True)
class FinetuneSettings:
    """Supervised training. ``batch_pieces`` bounds a padded batch; ``join_share`` of the examples hold two sentences
    or more, so that the model has seen places beyond the length of one sentence."""

    epochs: int = 6
    learning_rate: float = 1e-3
    batch_pieces: int = 2048
    join_share: float = 0.2


@dataclass(frozen=True)
class DistillationSettings:
    """Knowledge distillation (Hinton et al. 2015). ``alpha`` is the weight of the teacher against the labels."""

    temperature: float = 2.0
    alpha: float = 0.7
    layers: int | None = None
    epochs: int | None = None


@dataclass(frozen=True)
class BuildSettings:
    """One build."""

    out: Path = Path("artifacts")
    base: str | None = None
    base_revision: str | None = None
    data: str | None = None
    data_revision: str | None = None
    languages: tuple[str, ...] | None = None
    seed: int = 42
    max_length: int = 160
    overlap: int = 40
    sparsity: float = 0.6
    prune_embeddings: bool = False
    int8_threshold: float = 6.0
    from_scratch: BaseSettings = field(default_factory=BaseSettings)
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    distillation: DistillationSettings = field(default_factory=DistillationSettings)
    threads: int = field(default_factory=available_cpus)
