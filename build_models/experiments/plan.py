"""What a grid costs: its trainings and cells in order, in floating-point operations and seconds, in pieces.

Estimates, of matrix products alone: six operations a weight and piece for a training step, two for a pass forward.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoConfig

from build_models.bases.base import MASKED_SHARE
from build_models.bases.shapes import AFRIBERTA_PIECES, SHAPES
from build_models.errors import BuildError
from build_models.experiments.cells import Cell
from build_models.experiments.prepare import data_of
from build_models.experiments.run import Places
from build_models.recipes.agnostic import rows_of
from build_models.recipes.pocket.shapes import shape_of, student_layers
from service.evaluation.conll import Sentence
from service.ner.encoder import Encoder


@dataclass(frozen=True)
class Accelerator:
    """Its peak in floating-point operations a second, the share of it that is used, and the least seconds of a step.

    ``cell_seconds`` are those of a cell apart from training: loading, export and scoring on the CPU.
    """

    name: str
    peak: float
    used: float
    step_seconds: float
    cell_seconds: float


H200 = Accelerator("one NVIDIA H200", peak=989e12, used=0.2, step_seconds=0.02, cell_seconds=8.0)
"""Peak of dense bfloat16 products by its data sheet; the other figures are assumptions, and said with the plan."""


AFRIBERTA = ("base", "large")
"""The shapes to plan for if no base is given."""

PIECES_A_WORD = 1.5
"""Assumed for a shape, which has no tokenizer."""


@dataclass(frozen=True)
class Base:
    """The weights that multiply pieces in the encoder, by layer, and the number of layers.

    ``vocabulary`` is the number of pieces that masked-language modelling chooses from.
    """

    layer_weights: int
    layers: int
    width: int
    vocabulary: int

    def products(self, pieces: int, length: float, layers: int | None = None) -> float:
        """Operations of one pass forward of ``pieces`` pieces in sentences of ``length``."""
        each = 2 * self.layer_weights + 4 * length * self.width
        return pieces * each * (self.layers if layers is None else layers)

    def masked_products(self, pieces: int) -> float:
        """Operations of one pass forward of the head that guesses the masked ones among ``pieces`` pieces."""
        return pieces * MASKED_SHARE * 2 * self.width * (self.width + self.vocabulary)


@dataclass(frozen=True)
class Training:
    """``steps`` steps over ``pieces`` pieces in sentences of ``length``.

    ``forward`` layers are run forward only, and ``backward`` are trained. If the pieces are ``masked``, both models
    have a head that guesses them. Trainings of one ``name`` are made once.
    """

    name: str
    steps: float
    pieces: int
    length: float
    forward: int
    backward: int
    masked: bool = False

    def operations(self, base: Base) -> float:
        # Backward costs twice as much as forward.
        made = base.products(self.pieces, self.length, self.forward)
        made += 3 * base.products(self.pieces, self.length, self.backward)
        return made + 4 * base.masked_products(self.pieces) if self.masked else made


@dataclass(frozen=True)
class Step:
    """A cell with what it adds: the operations of the trainings that no earlier cell has made, and its seconds."""

    cell: Cell
    operations: float
    seconds: float


def base_of(name: str) -> Base:
    """The dimensions of the base in a folder, or of one of ``SHAPES``. Raises ``BuildError`` if it is neither."""
    if Path(name).is_dir():
        config = AutoConfig.from_pretrained(name, local_files_only=True)
        shape, vocabulary = shape_of(config), config.vocab_size
    elif name in SHAPES:
        shape, vocabulary = SHAPES[name], AFRIBERTA_PIECES
    else:
        raise BuildError(
            f"--plan needs the folder of a base or a shape, and {name} is neither: download it, or choose from"
            f" {', '.join(SHAPES)}"
        )
    return Base(4 * shape.width**2 + 2 * shape.width * shape.feed_forward, shape.layers, shape.width, vocabulary)


def plan(cells: Iterable[Cell], places: Places, accelerator: Accelerator) -> Iterator[Step]:
    """The steps of a grid in order. Models that several cells share are trained by the first."""
    trained: set[str] = set()
    pieces: dict[tuple[str, str], tuple[int, int, int]] = {}
    bases = {name: base_of(given) for name, given in places.bases.items()}
    for cell in cells:
        key = (cell.base, cell.language)
        if key not in pieces:
            pieces[key] = pieces_of(cell, places)
        train, scored, sentences = pieces[key]
        base, length = bases[cell.base], scored / max(1, sentences)
        operations = base.products(scored, length)
        seconds = accelerator.cell_seconds
        for training in trainings(cell, base, train, length):
            if training.name in trained:
                continue
            trained.add(training.name)
            made = training.operations(base)
            seconds += max(made / (accelerator.peak * accelerator.used), training.steps * accelerator.step_seconds)
            operations += made
        yield Step(cell, operations, seconds)


def trainings(cell: Cell, base: Base, train: int, length: float) -> Iterator[Training]:
    """The trainings behind a cell, on ``train`` pieces in sentences of ``length``, or on a corpus."""

    def tuned(name: str, epochs: int, forward: int, backward: int) -> Training:
        steps = epochs * train / cell.finetune.batch_pieces
        return Training(name, steps, epochs * train, length, forward, backward)

    model = f"{cell.base}/{cell.language}/{cell.seed}/{cell.finetune.noise_share}"
    epochs = cell.finetune.epochs
    if cell.variant == "pruned" and not cell.prune_after:
        yield tuned(f"{model}/{cell.sparsity}/{cell.prune_embeddings}", epochs, 0, base.layers)
        return
    if not cell.agnostic_steps:
        yield tuned(model, epochs, 0, base.layers)
    if cell.recovery_epochs:
        yield tuned(f"{model}/{cell.technique}", cell.recovery_epochs, 0, base.layers)
    if cell.variant.startswith("distilled"):
        layers = cell.student_layers or (base.layers + 1) // 2
        student = f"{cell.agnostic_steps}/{cell.temperature}/{layers}/{cell.student_heads}"
        if cell.agnostic_steps:
            # Without a corpus, it learns from the training split.
            text = cell.corpus_digest or cell.data_digest
            pieces = cell.agnostic_steps * rows_of(cell.max_length) * cell.max_length
            name = f"{cell.base}/{cell.seed}/{text}/{student}"
            yield Training(name, cell.agnostic_steps, pieces, cell.max_length, base.layers, layers, masked=True)
        teacher = 0 if cell.agnostic_steps else base.layers
        fewer = epochs if cell.agnostic_steps else max(1, epochs // 2)
        yield tuned(f"{model}/{student}", cell.student_epochs or fewer, teacher, layers)
    if cell.variant == "pocket":
        # An upper bound: it is narrower, too.
        both = (cell.pocket_hidden_epochs or 0) + (cell.pocket_epochs or 0)
        yield tuned(f"{model}/{cell.technique}", both, base.layers, student_layers(base.layers))


def pieces_of(cell: Cell, places: Places) -> tuple[int, int, int]:
    """Pieces of the training split, and pieces and sentences of dev and test."""
    data = data_of(places.data, cell.languages, places.sample_sentences)
    given = Path(places.bases[cell.base])
    encoder = Encoder.from_folder(given, cell.max_length, cell.overlap) if given.is_dir() else None

    def pieces(sentence: Sentence) -> float:
        return len(encoder.encode_all(sentence.words).pieces) if encoder else PIECES_A_WORD * len(sentence.words)

    numbers = [
        round(sum(pieces(sentence) + 2 for sentence in split)) for split in (data.train, [*data.dev, *data.test])
    ]
    return numbers[0], numbers[1], len(data.dev) + len(data.test)


def in_runs(steps: Sequence[Step], most_seconds: float) -> list[list[Step]]:
    """Group the steps into runs of at most ``most_seconds``; a longer step gets a separate run."""
    runs: list[list[Step]] = []
    left = 0.0
    for step in steps:
        if not runs or step.seconds > left:
            runs.append([])
            left = most_seconds
        runs[-1].append(step)
        left -= step.seconds
    return runs


def described(
    steps: Sequence[Step], accelerator: Accelerator, minutes: float, done: Mapping[Cell, int]
) -> Iterator[str]:
    """The plan in lines. ``done`` has the bytes of the result of each cell that is done."""
    waiting = [step for step in steps if step.cell not in done]
    runs = in_runs(waiting, 60 * minutes)
    operations, seconds = sum(step.operations for step in waiting), sum(step.seconds for step in waiting)
    yield (
        f"{len(steps)} cells, {len(done)} done; {operations:.2e} floating-point operations and"
        f" {seconds / 60:.0f} min to go on {accelerator.name}"
    )
    yield (
        f"assumed: {accelerator.peak / 1e12:.0f} TFLOP/s at {accelerator.used:.0%}, at least"
        f" {1000 * accelerator.step_seconds:.0f} ms a step, {accelerator.cell_seconds:.0f} s a cell apart from training"
    )
    if done:
        yield f"a result file has {sum(done.values()) / len(done) / 1000:.1f} kB on average"
    yield f"runs of at most {minutes:g} min: {len(runs)}; for each, repeat the command with --stop-after {minutes:g}"
    for number, run in enumerate(runs, 1):
        yield f"run {number}: {len(run)} cells, {sum(step.seconds for step in run) / 60:.1f} min"
        for step in run:
            yield f"  {step.cell}, {step.cell.tests}: {step.operations:.1e} operations, {step.seconds:.0f} s"
