"""All settings of a build and their defaults."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from service.settings import available_cpus

SAMPLE = "sample"
"""The name of the bundled sample, for ``BuildSettings.data`` beside a given model."""

BUNDLED = "bundled"
"""The name of the bundled model, for ``BuildSettings.model`` and ``base``."""

SAMPLE_SENTENCES = 5500
"""Of each language, to train on from scratch."""

RECOVERY_SENTENCES = 1000
"""Of each language, for what a given model's compressed forms learn from its answers."""

UNMEASURED_EPOCHS = 2
"""Of a student that learns from the bundled sample what its teacher answers, and whose gain nothing would show."""

RATE, RATE_WIDTH = 5e-5, 768
"""The learning rate for further training of a given classifier of this width."""

BUNDLED_RATE = 2e-4
"""The same for the bundled model, whose compressed forms learn from its answers alone."""


@dataclass(frozen=True)
class BaseSettings:
    """Pretraining of a base from raw text: ``steps`` of masked-language modelling on ``batch_pieces`` pieces each."""

    shape: str = "tiny"
    vocabulary: int = 12000
    steps: int = 60
    batch_pieces: int = 2048
    learning_rate: float = 1e-3
    dropout: float = 0.0


@dataclass(frozen=True)
class NoiseShares:
    """The share of the training sentences that gets each of the noises of ``service.evaluation.noise``."""

    lower: float = 0.15
    upper: float = 0.1
    title: float = 0.03
    diacritics: float = 0.05
    typos: float = 0.04


NO_NOISE = NoiseShares(0.0, 0.0, 0.0, 0.0, 0.0)
ALL_NOISE = NoiseShares(0.6, 0.2, 0.04, 0.06, 0.1)
"""Every sentence gets one."""


@dataclass(frozen=True)
class FinetuneSettings:
    """Supervised training.

    ``batch_pieces`` limits a padded batch. ``join_share`` of the examples concatenate several sentences, which trains
    later positions. ``hidden_share`` of all pieces and ``hidden_names`` of the words in names are replaced by <unk>,
    so that the model learns to use context. ``respelled_names`` of the words in names and ``respelled_words`` of the
    others are segmented differently (segmentation.py). ``within_weight`` weighs the loss on the continuation pieces of
    words. In ``noise_share`` of the epochs, a sentence is shown in another letter case, without diacritics or with
    typos. ``frozen_embeddings`` keeps the word embeddings as they are. ``coarse_products`` and ``averaging``: see
    ``training.loop.Optimization``.
    """

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
    noise_share: float = 0.0
    coarse_products: bool = False
    averaging: float = 0.0
    frozen_embeddings: bool = False

    @classmethod
    def of_given(cls) -> "FinetuneSettings":
        """For the pruned and distilled forms of a given classifier. The learning rate comes from its width.

        Its word embeddings stay, so that words that are not in the data keep their meaning. A step of a small model
        takes a third of the time.
        """
        return cls(epochs=3, learning_rate=0.0, hidden_share=0.0, frozen_embeddings=True)

    @classmethod
    def of_bundled(cls) -> "FinetuneSettings":
        """The bundled model was trained with Muon, like the sample's, and its student learns faster with it, too.

        Two epochs, so that a first start takes no longer than a minute and a half.
        """
        return replace(cls.of_given(), epochs=2, matrix_learning_rate=0.01, averaging=0.997)

    @classmethod
    def defaults(cls, base_given: bool, data_given: bool) -> "FinetuneSettings":
        """20 epochs for a pretrained base (Adelani et al. 2022); higher learning rates for a base made here.

        The generated sample is large enough for 4 epochs. The user's data gets noise: without, a model finds hardly any
        name in text in lower case.
        """
        noise_share = 0.3 if data_given else 0.0
        if base_given:
            return cls(epochs=20, learning_rate=5e-5, hidden_share=0.0, noise_share=noise_share)
        return cls(
            epochs=15 if data_given else 4,
            learning_rate=6e-3,
            hidden_share=0.04,
            matrix_learning_rate=0.01,
            noise_share=noise_share,
            coarse_products=True,
        ).regularized()

    @classmethod
    def of_bundled_base(cls) -> "FinetuneSettings":
        """Of the settings that were tried on three languages of MasakhaNER, those with the best dev F1."""
        return cls(
            epochs=12, learning_rate=3e-3, hidden_share=0.0, matrix_learning_rate=5e-3, noise_share=0.3
        ).regularized()

    def regularized(self) -> "FinetuneSettings":
        """With all that helps a small model to read names that it has not learnt, at the price of more epochs."""
        return replace(
            self, hidden_names=0.15, respelled_names=0.4, respelled_words=0.1, within_weight=0.3, averaging=0.997
        )


@dataclass(frozen=True)
class DistillationSettings:
    """Knowledge distillation (Hinton et al. 2015). ``alpha`` weighs the teacher against the labels.

    The student has ``layers`` of the teacher's layers (default: half) and ``heads`` (default: the teacher's). With
    ``agnostic_steps`` > 0, it first learns the base's masked-language modelling for that many steps on ``corpus``
    (default: the training sentences) and is then fine-tuned without a teacher. Otherwise the dense model teaches it:
    on the first piece of each word, or with ``every_piece`` on all pieces.
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
    every_piece: bool = False

    @classmethod
    def defaults(cls, sample: bool, agnostic_steps: int) -> "DistillationSettings":
        """One epoch on the bundled sample for a student with a fine-tuned teacher."""
        return cls(epochs=1 if sample and not agnostic_steps else None, agnostic_steps=agnostic_steps)

    @classmethod
    def of_given(cls, sample: bool) -> "DistillationSettings":
        """On generated sentences only what the teacher answers is learnt: their labels say nothing of real text."""
        return cls(alpha=1.0, every_piece=True) if sample else cls()


@dataclass(frozen=True)
class PocketSettings:
    """The smallest variant. What is None of its shape follows from dense's: see ``recipes.pocket.shapes``.

    ``pieces`` is the most pieces that texts choose; ``whole_vocabulary`` keeps all. ``hidden_epochs`` and ``epochs``
    are those of the two steps in which dense teaches it. ``size`` in MB, ``speed`` as a multiple of dense's and
    ``loss`` in points of F1 are wishes, for which shapes are tried.
    """

    whole_vocabulary: bool = False
    pieces: int | None = None
    layers: int | None = None
    width: int | None = None
    heads: int | None = None
    feed_forward: int | None = None
    hidden_epochs: int = 2
    epochs: int = 4
    size: float | None = None
    speed: float | None = None
    loss: float | None = None

    @classmethod
    def defaults(cls, sample: bool) -> "PocketSettings":
        """The generated sample is large: an epoch of it will do."""
        return cls(hidden_epochs=0, epochs=1) if sample else cls()


@dataclass(frozen=True)
class BuildSettings:
    """One build.

    ``model`` is a classifier to take as it is; ``labels`` and ``model_scheme`` are what the user says of its head, and
    ``texts`` are unlabelled ones for it.

    ``transition_weight`` weighs the label transitions in decoding; 0 turns them off. Without ``dynamic_timed``, the
    choice of quantization settings ignores speed and is deterministic.
    With ``must_learn``, a dense model that finds no entity of dev is an error.
    """

    out: Path = Path("artifacts")
    base: str | None = None
    base_revision: str | None = None
    model: str | None = None
    model_revision: str | None = None
    labels: tuple[str, ...] | None = None
    model_scheme: str | None = None
    texts: Path | None = None
    data: str | None = None
    data_revision: str | None = None
    scheme: str | None = None
    strict: bool = False
    languages: tuple[str, ...] | None = None
    sample_sentences: int = SAMPLE_SENTENCES
    seed: int = 42
    max_length: int = 160
    overlap: int = 40
    transition_weight: float = 0.6
    sparsity: float = 0.6
    prune_embeddings: bool = False
    prune_after: bool = False
    recovery_epochs: int | None = None
    int8_threshold: float = 6.0
    int8_classifier: bool = False
    dynamic_timed: bool = True
    must_learn: bool = True
    from_scratch: BaseSettings = field(default_factory=BaseSettings)
    finetune: FinetuneSettings = field(default_factory=lambda: FinetuneSettings.defaults(False, False))
    distillation: DistillationSettings = field(default_factory=lambda: DistillationSettings.defaults(True, 0))
    pocket: PocketSettings = field(default_factory=PocketSettings)
    threads: int = field(default_factory=available_cpus)

    def for_given(self, width: int, measured: bool) -> "BuildSettings":
        """What depends on the given classifier: it is pruned after its fine-tuning, and recovers where that can be
        measured; narrow models take higher learning rates. Where nothing is measured, nothing is labelled either: the
        student learns from the teacher alone, on generated sentences, for which fewer epochs do."""
        usual = BUNDLED_RATE if self.model == BUNDLED else RATE
        rate = self.finetune.learning_rate or usual * (RATE_WIDTH / width) ** 1.5
        recovery = self.recovery_epochs if self.recovery_epochs is not None else int(measured)
        return replace(
            self,
            prune_after=True,
            recovery_epochs=recovery,
            finetune=replace(self.finetune, learning_rate=rate),
            distillation=replace(
                self.distillation,
                epochs=self.distillation.epochs or (self.finetune.epochs if measured else UNMEASURED_EPOCHS),
                alpha=self.distillation.alpha if measured else 1.0,
            ),
        )
