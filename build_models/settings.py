"""Everything that a build can be told, with the defaults."""

from dataclasses import dataclass, field
from pathlib import Path

from service.settings import available_cpus


@dataclass(frozen=True)
class BaseSettings:
    """How a base is made from raw text. ``steps`` of masked-language modelling, ``batch_pieces`` pieces each."""

    shape: str = "tiny"
    vocabulary: int = 12000
    steps: int = 60
    batch_pieces: int = 2048
    learning_rate: float = 1e-3
    dropout: float = 0.0


@dataclass(frozen=True)
class FinetuneSettings:
    """Supervised training. ``batch_pieces`` bounds a padded batch; ``join_share`` of the examples hold two sentences
    or more, so that the model has seen places beyond the length of one sentence; ``hidden_share`` of all pieces and
    ``hidden_names`` of the words of names are shown as unknown, so that it learns to go by what stands around them;
    ``respelled_names`` of them, and ``respelled_words`` of all others, are shown in other pieces (segmentation.py).
    ``within_weight`` is what the labels of pieces within words count beside those of first pieces, the ones served.
    ``coarse_products`` and ``averaging`` are those of ``training.Optimization``."""

    epochs: int
    learning_rate: float
    hidden_share: float
    batch_pieces: int = 2048
    join_share: float = 0.2
    matrix_learning_rate: float | None = None
    hidden_names: float = 0.0
    respelled_names: float = 0.0
    respelled_words: float = 0.0
    within_weight: float = 0.0
    coarse_products: bool = False
    averaging: float = 0.0

    @classmethod
    def defaults(cls, base_given: bool, data_given: bool) -> "FinetuneSettings":
        """A pretrained base is nudged (Adelani et al. 2022: 20 epochs); one made here does all its learning now.

        The sample is generated, so it is large enough to be read a few times only.
        """
        if base_given:
            return cls(epochs=20, learning_rate=5e-5, hidden_share=0.0)
        return cls(
            epochs=15 if data_given else 4,
            learning_rate=6e-3,
            hidden_share=0.04,
            matrix_learning_rate=0.01,
            hidden_names=0.15,
            respelled_names=0.4,
            respelled_words=0.1,
            within_weight=0.3,
            coarse_products=True,
            averaging=0.997,
        )


@dataclass(frozen=True)
class DistillationSettings:
    """Knowledge distillation (Hinton et al. 2015). ``alpha`` is the weight of the teacher against the labels.

    The student has ``layers`` of the teacher's, by default half of them, and ``heads``, by default as many. With
    ``agnostic_steps`` it is taught the base's masked-language modelling in so many steps, on ``corpus`` or else the
    training sentences, and then fine-tuned without a teacher. Without, it is taught the dense model's labels.
    """

    temperature: float = 2.0
    alpha: float = 0.7
    layers: int | None = None
    heads: int | None = None
    epochs: int | None = None
    agnostic_steps: int = 0
    agnostic_learning_rate: float = 1e-3
    corpus: Path | None = None
    corpus_lines: int | None = None

    @classmethod
    def defaults(cls, sample: bool, agnostic_steps: int) -> "DistillationSettings":
        """On the sample, which is large, a student that a fine-tuned teacher teaches reads it once."""
        return cls(epochs=1 if sample and not agnostic_steps else None, agnostic_steps=agnostic_steps)


@dataclass(frozen=True)
class BuildSettings:
    """One build.

    ``transition_weight`` is what the counted transitions between labels weigh when a sentence is labelled; 0: nothing.
    Without ``dynamic_timed`` no clock has a say in which dynamic settings are chosen, so that they are always the same.
    """

    out: Path = Path("artifacts")
    base: str | None = None
    base_revision: str | None = None
    data: str | None = None
    data_revision: str | None = None
    scheme: str | None = None
    strict: bool = False
    languages: tuple[str, ...] | None = None
    sample_sentences: int = 5500
    seed: int = 42
    max_length: int = 160
    overlap: int = 40
    transition_weight: float = 0.6
    sparsity: float = 0.6
    prune_embeddings: bool = False
    prune_after: bool = False
    recovery_epochs: int = 0
    int8_threshold: float = 6.0
    dynamic_timed: bool = True
    from_scratch: BaseSettings = field(default_factory=BaseSettings)
    finetune: FinetuneSettings = field(default_factory=lambda: FinetuneSettings.defaults(False, False))
    distillation: DistillationSettings = field(default_factory=lambda: DistillationSettings.defaults(True, 0))
    threads: int = field(default_factory=available_cpus)
