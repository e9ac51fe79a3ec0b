"""The grid of cells of each experiment."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from pydantic import ValidationError

from build_models.errors import BuildError
from build_models.experiments.cells import Cell, VariantName
from build_models.settings import FinetuneSettings


@dataclass(frozen=True)
class Named:
    """The name of a folder and the digest of its contents."""

    name: str
    digest: str


@dataclass(frozen=True)
class Study:
    """The axes and settings of a grid. ``data`` has a language and its data per item, ``together`` all of them.

    ``noise_share`` is that of models trained against noise. For the grid of the paper: ``more_seeds`` are those for
    which it has more than what most claims are tested by (default: all), and ``pocket_epochs`` are those of the two
    steps in which ``pocket`` is taught. What is None or 0 is left out.
    """

    bases: Sequence[Named]
    data: Sequence[tuple[str, Named]]
    seeds: Sequence[int]
    finetune: FinetuneSettings
    threads: int = 1
    sparsities: Sequence[float] = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
    recovery_epochs: int = 0
    temperatures: Sequence[float] = (2.0, 3.0, 6.0)
    student_layers: Sequence[int] = (1, 2)
    student_heads: Sequence[int] = ()
    student_epochs: int | None = None
    agnostic_steps: int = 0
    prune_embeddings: bool = False
    corpus: Named | None = None
    corpus_lines: int | None = None
    sample_sentences: int = 6000
    unseen_sentences: int | None = None
    more_seeds: Sequence[int] | None = None
    noise_share: float = 0.0
    together: tuple[str, Named] | None = None
    pocket_epochs: tuple[int, int] | None = None

    def text(self) -> dict[str, Any]:
        """Cell settings of the corpus for task-agnostic distillation; empty for the training sentences."""
        if self.corpus is None:
            return {}
        return {
            "corpus": self.corpus.name,
            "corpus_digest": self.corpus.digest,
            "corpus_lines": self.corpus_lines,
        }

    def cells(self, variant: VariantName, **settings: Any) -> Iterator[Cell]:
        """One cell per base, language and seed. Raises ``BuildError`` if a value is out of range."""
        if variant == "pruned":
            settings["prune_embeddings"] = self.prune_embeddings
        if variant.startswith("distilled") and not settings.get("agnostic_steps"):
            # A task-agnostic student is fine-tuned for as long as any other base.
            settings["student_epochs"] = self.student_epochs
        if settings.get("tests") == "crosslingual":
            settings["unseen_sentences"] = self.unseen_sentences
        for base, (language, data), seed in product(self.bases, self.data, self.seeds):
            try:
                yield Cell(
                    variant=variant,
                    base=base.name,
                    base_digest=base.digest,
                    data=data.name,
                    data_digest=data.digest,
                    language=language,
                    seed=seed,
                    threads=self.threads,
                    finetune=self.finetune,
                    sample_sentences=self.sample_sentences,
                    **settings,
                )
            except ValidationError as error:
                first = error.errors()[0]
                name = ".".join(map(str, first["loc"]))
                raise BuildError(f"{name} {first['input']}: {first['msg']}") from error


def pretraining(study: Study) -> Iterator[Cell]:
    """Each base, fine-tuned with the same settings."""
    yield from study.cells("dense")


def pruning(study: Study) -> Iterator[Cell]:
    yield from study.cells("dense")
    for sparsity in study.sparsities:
        yield from study.cells("pruned", sparsity=sparsity)
        yield from study.cells("pruned", sparsity=sparsity, prune_after=True)
        if study.recovery_epochs:
            yield from study.cells("pruned", sparsity=sparsity, prune_after=True, recovery_epochs=study.recovery_epochs)


def distillation(study: Study) -> Iterator[Cell]:
    """Temperatures and layers for task-specific and task-agnostic distillation; heads at the first temperature."""
    yield from study.cells("dense")
    orders: list[dict[str, Any]] = [{}]
    if study.agnostic_steps:
        orders.append({"agnostic_steps": study.agnostic_steps, **study.text()})
    for order, layers, temperature in product(orders, study.student_layers, study.temperatures):
        yield from study.cells("distilled", student_layers=layers, temperature=temperature, **order)
    for layers, heads in product(study.student_layers, study.student_heads):
        yield from study.cells(
            "distilled", student_layers=layers, student_heads=heads, temperature=study.temperatures[0]
        )


def quantization(study: Study) -> Iterator[Cell]:
    for variant in ("dense", "int8", "dynamic"):
        yield from study.cells(variant)


def crosslingual(study: Study) -> Iterator[Cell]:
    """Languages without fine-tuning: dense, and pruned before fine-tuning."""
    yield from study.cells("dense", tests="crosslingual")
    for sparsity in study.sparsities:
        yield from study.cells("pruned", sparsity=sparsity, tests="crosslingual")


def robustness(study: Study) -> Iterator[Cell]:
    """Noisy test sentences, for each variant with its default settings, and for dense if trained against noise."""
    yield from study.cells("dense", tests="robustness")
    yield from study.cells("pruned", sparsity=0.6, tests="robustness")
    yield from study.cells(
        "distilled",
        student_layers=study.student_layers[-1],
        temperature=study.temperatures[0],
        tests="robustness",
    )
    yield from study.cells("int8", tests="robustness")
    yield from study.cells("dynamic", tests="robustness")
    yield from trained_with_noise(study)


def trained_with_noise(study: Study) -> Iterator[Cell]:
    """Dense, fine-tuned on noisy sentences too, unless ``noise_share`` is 0."""
    if study.noise_share:
        finetune = replace(study.finetune, noise_share=study.noise_share)
        yield from replace(study, finetune=finetune).cells("dense", tests="robustness")


def paper(study: Study) -> Iterator[Cell]:
    """All that the paper's claims are about, and what goes beyond; what most claims need comes first, seed by seed.

    A grid that is stopped early has all languages in its rows. Bases after the first are teachers of students.
    """
    yield from dict.fromkeys(in_order(study))


def in_order(study: Study) -> Iterator[Cell]:
    """The cells of ``paper``; some several times."""
    by_seed = [
        (replace(study, seeds=[seed], bases=study.bases[:1]), replace(study, seeds=[seed], bases=study.bases[1:]))
        for seed in study.seeds
    ]
    more = [
        (main, teachers) for main, teachers in by_seed if study.more_seeds is None or main.seeds[0] in study.more_seeds
    ]
    for main, teachers in by_seed:
        yield from claimed(main, teachers)
    for main, teachers in more:
        yield from beyond(main)
        # With 70%, what the claim about high sparsities is tested by.
        yield from curve(replace(main, sparsities=[0.9] if 0.9 in main.sparsities else []))
        yield from students(main, teachers)
        yield from curve(main)


def claimed(main: Study, teachers: Study) -> Iterator[Cell]:
    """What the claims are tested by, for one seed, but for sparsities of 90%."""
    student = taught(main)
    yield from main.cells("dense")
    yield from main.cells("distilled", **student)
    yield from main.cells("dynamic")
    for sparsity in (0.5, 0.7):
        yield from main.cells("pruned", sparsity=sparsity, prune_after=True)
    yield from main.cells("dense", tests="crosslingual")
    for sparsity in (0.7, 0.5):
        yield from main.cells("pruned", sparsity=sparsity)
        yield from main.cells("pruned", sparsity=sparsity, tests="crosslingual")
    yield from main.cells("pruned", sparsity=0.6)
    yield from teachers.cells("dense")
    yield from teachers.cells("distilled", **student)
    yield from main.cells("int8")


def beyond(main: Study) -> Iterator[Cell]:
    """Noise, other variants, also in languages without fine-tuning, and one model of all languages."""
    student = taught(main)
    yield from main.cells("distilled-dynamic", **student)
    yield from main.cells("distilled", **student, tests="crosslingual")
    yield from main.cells("dynamic", tests="crosslingual")
    yield from main.cells("dense", tests="robustness")
    yield from main.cells("pruned", sparsity=0.7, tests="robustness")
    yield from main.cells("distilled", **student, tests="robustness")
    yield from main.cells("int8", tests="crosslingual")
    if main.together:
        yield from replace(main, data=[main.together]).cells("dense")
        yield from replace(main, data=[main.together]).cells("dynamic")
    if main.pocket_epochs:
        hidden, epochs = main.pocket_epochs
        yield from main.cells("pocket", pocket_hidden_epochs=hidden, pocket_epochs=epochs)
    yield from trained_with_noise(main)


def students(main: Study, teachers: Study) -> Iterator[Cell]:
    """Those taught at other temperatures, and without a task."""
    student = taught(main)
    for temperature, some in product(main.temperatures[1:], (main, teachers)):
        yield from some.cells("distilled", **{**student, "temperature": temperature})
    if main.agnostic_steps:
        yield from main.cells("distilled", **student, agnostic_steps=main.agnostic_steps, **main.text())


def curve(study: Study) -> Iterator[Cell]:
    """The sparsities that complete the curves."""
    for sparsity in study.sparsities:
        yield from study.cells("pruned", sparsity=sparsity, prune_after=True)
    for sparsity in study.sparsities:
        yield from study.cells("pruned", sparsity=sparsity)


def taught(study: Study) -> dict[str, Any]:
    """The settings of the student that every teacher has."""
    return {"student_layers": study.student_layers[0], "temperature": study.temperatures[0]}


def int8(study: Study) -> Iterator[Cell]:
    """What LLM.int8() loses with other thresholds, with the classifier in 8 bits, and where activations have outliers.

    At a threshold of 0, activations beyond it are no exception.
    """
    yield from study.cells("dense")
    for threshold in (6.0, 0.0):
        yield from study.cells("int8", int8_threshold=threshold)
        yield from study.cells("int8", int8_threshold=threshold, outliers=1000.0)
    yield from study.cells("int8", int8_classifier=True)


GRIDS: dict[str, Callable[[Study], Iterator[Cell]]] = {
    "pretraining": pretraining,
    "pruning": pruning,
    "distillation": distillation,
    "quantization": quantization,
    "crosslingual": crosslingual,
    "robustness": robustness,
    "paper": paper,
    "int8": int8,
}

_SPARSITIES = {"sparsities", "prune_embeddings"}
_STUDENTS = {"temperatures", "student_layers", "student_epochs"}
_AGNOSTIC = {"agnostic_steps", "corpus", "corpus_lines"}
_UNSEEN = {"crosslingual", "unseen_sentences"}

READ: dict[str, frozenset[str]] = {
    "pretraining": frozenset(),
    "pruning": frozenset({*_SPARSITIES, "recovery_epochs"}),
    "distillation": frozenset({*_STUDENTS, *_AGNOSTIC, "student_heads"}),
    "quantization": frozenset(),
    "crosslingual": frozenset({*_SPARSITIES, *_UNSEEN}),
    "robustness": frozenset({*_STUDENTS, "prune_embeddings", "noise_share"}),
    "paper": frozenset(
        {*_SPARSITIES, *_STUDENTS, *_AGNOSTIC, *_UNSEEN, "more_seeds", "noise_share", "together", "pocket_epochs"}
    ),
    "int8": frozenset(),
}
"""The options that each grid reads, besides those that all of them do; most are settings of ``Study``."""
