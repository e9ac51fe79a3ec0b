"""Finds the shape that meets a wish for size, speed or loss.

Size and speed do not depend on the weights, so they are measured before anything is taught, from the largest shape
down; the first that meets them loses least. A wish for the loss is then tried by teaching, from the smallest up.
"""

import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import AutoConfig, PretrainedConfig

from build_models.artifacts.checkpoint_files import copy_tokenizer
from build_models.artifacts.export import export_onnx
from build_models.artifacts.scores import evaluate
from build_models.artifacts.transitions import write_transitions
from build_models.bases.shapes import Shape
from build_models.errors import BuildError
from build_models.progress import say
from build_models.recipes.context import Context
from build_models.recipes.dynamic import Candidate, quantize
from build_models.recipes.pocket.shapes import possible, scaled, shape_of
from build_models.recipes.pocket.shrink import Contributions, shrink
from build_models.training.finetune import load_classifier
from build_models.workspace.workspace import full_disk_named
from service.ner.pipeline import Pipeline
from service.runtimes.onnx import MODEL

WIDTHS = (1, 1.2, 1.5, 2, 3, 4, 6, 8)
"""What the width is divided by, in turn."""

TIMED_WINDOWS, ROUNDS = 40, 3
TEMPORARY = ".trial-"
"""What the names of temporary folders begin with. No stage has such a name."""

ROOM = 0.9
"""Of the bytes that a shape is reckoned to take: what exceeds the wish even so is not tried."""


@dataclass(frozen=True)
class Wish:
    """At most ``size`` MB, at least ``speed`` times as fast as dense, at most ``loss`` points of F1 below it."""

    size: float | None
    speed: float | None
    loss: float | None


@dataclass
class Trial:
    """A shape that was tried; ``loss`` in points, once it was taught."""

    shape: Shape
    megabytes: float
    speed: float
    loss: float | None = None

    def meets(self, wish: Wish) -> bool:
        return (wish.size is None or self.megabytes <= wish.size) and (wish.speed is None or self.speed >= wish.speed)

    def __str__(self) -> str:
        lost = "" if self.loss is None else f", {self.loss:+.1f} points lost on dev"
        return f"{described(self.shape)}: {self.megabytes:.2f} MB, {self.speed:.1f} times as fast as dense{lost}"


def described(shape: Shape) -> str:
    layers = "layer" if shape.layers == 1 else "layers"
    return f"{shape.layers} {layers}, {shape.width} wide, {shape.heads} heads, feed-forward {shape.feed_forward}"


def ladder(config: PretrainedConfig) -> list[Shape]:
    """The few shapes that are tried, from the largest to the smallest: narrower, and in the end a single layer."""
    shapes, own = [], shape_of(config)
    for divisor in WIDTHS:
        # A student that is little narrower has fewer heads of the same size. Two numbers to a byte: the width is even.
        unit = own.width // own.heads if divisor < 2 else 2
        width = int(own.width / divisor) // unit * unit
        if width >= 2 and width % 2 == 0:
            shapes.append(scaled(own, width))
    shapes.append(replace(shapes[-1], layers=1))
    return list(dict.fromkeys(possible(shape, config) for shape in shapes))


def search(
    context: Context, wish: Wish, start: Path, dense: Path, candidate: Candidate, teach: Callable[[Shape], Path]
) -> tuple[Shape, list[Trial]]:
    """The shape to take and all that was tried.

    ``start`` is the checkpoint with the vocabulary of the result, ``dense`` the exported model to compare with, and
    ``teach`` makes a checkpoint of a shape. Raises ``BuildError`` with the nearest there is if the wish cannot be met.
    """
    if wish.loss is not None and not context.supervision.measured:
        raise BuildError("--pocket-loss cannot be measured without texts: pass --data, or --texts")
    for left_behind in context.workspace.folder.glob(f"{TEMPORARY}*"):
        shutil.rmtree(left_behind)
    whole = context.open_pipeline(dense, "onnx")
    tried: list[Trial] = []
    fitting: list[Trial] = []
    config = AutoConfig.from_pretrained(start, local_files_only=True)
    for shape in shapes_worth_trying(ladder(config), wish, start, candidate):
        with written(context, candidate, untaught(context, start, shape)) as (megabytes, pipeline, _):
            seconds, own_seconds = inference_seconds(context, [whole, pipeline])
            trial = Trial(shape, megabytes, seconds / own_seconds)
        say(f"pocket: {trial}")
        tried.append(trial)
        if trial.meets(wish):
            fitting.append(trial)
            if wish.loss is None:
                return shape, tried
    if not fitting:
        raise BuildError(unmet(wish, tried))
    limit = wish.loss
    assert limit is not None, "the first shape that meets the other wishes was returned"
    best = evaluate(whole, context.dataset.dev, "dense: dev").f1
    for trial in reversed(fitting):
        with written(context, candidate, teach(trial.shape)) as (_, pipeline, _):
            trial.loss = 100 * (best - evaluate(pipeline, context.dataset.dev, f"pocket: {trial.shape.width} wide").f1)
        say(f"pocket: {trial}")
        if trial.loss <= limit:
            return trial.shape, tried
    nearest = min(fitting, key=lambda trial: trial.loss or 0.0)
    loss = math.ceil(10 * (nearest.loss or 0.0)) / 10
    raise BuildError(
        f"No shape loses at most {limit:g} points{' within the other wishes' if wish.size or wish.speed else ''}."
        f" The nearest is {nearest}. Ask for --pocket-loss {loss:.1f}, or for longer teaching with --pocket-epochs"
    )


def unmet(wish: Wish, tried: Sequence[Trial]) -> str:
    wanted = [f"{wish.size:g} MB"] if wish.size is not None else []
    wanted += [f"{wish.speed:g} times the speed of dense"] if wish.speed is not None else []
    nearest = min(tried, key=lambda trial: trial.megabytes) if wish.size is not None else max(
        tried, key=lambda trial: trial.speed
    )  # fmt: skip
    options = [f"--pocket-size {nearest.megabytes + 0.01:.2f}"] if wish.size is not None else []
    options += [f"--pocket-speed {math.floor(9.5 * nearest.speed) / 10:.1f}"] if wish.speed is not None else []
    return (
        f"No shape of this model gives {' and '.join(wanted)}. The nearest is {nearest}. Ask for {' '.join(options)},"
        " or keep fewer pieces with --pocket-pieces"
    )


def shapes_worth_trying(shapes: Sequence[Shape], wish: Wish, start: Path, candidate: Candidate) -> list[Shape]:
    """Without those whose weights alone are larger than the wish; the smallest stays, so that there is a nearest."""
    if wish.size is None:
        return list(shapes)
    beside = (start / "tokenizer.json").stat().st_size
    pieces = int(AutoConfig.from_pretrained(start, local_files_only=True).vocab_size)

    def least(shape: Shape) -> float:
        matrices = shape.layers * (4 * shape.width**2 + 2 * shape.width * shape.feed_forward)
        return ROOM * (beside + pieces * shape.width * candidate.embedding_bits / 8 + matrices) / 1e6

    return [shape for shape in shapes if least(shape) <= wish.size] or [shapes[-1]]


def untaught(context: Context, start: Path, shape: Shape) -> Path:
    """A checkpoint of this shape whose weights mean nothing."""
    teacher = load_classifier(start, context.labels)
    own = shape_of(teacher.config)
    parts = Contributions(
        torch.zeros(own.layers),
        torch.zeros(own.layers, own.heads),
        torch.zeros(own.layers, own.feed_forward),
        torch.eye(own.width, dtype=torch.float64),
    )
    folder = context.workspace.folder / f"{TEMPORARY}untaught"
    shutil.rmtree(folder, ignore_errors=True)
    shrink(teacher, shape, parts).model.save_pretrained(folder)
    copy_tokenizer(start, folder)
    return folder


@contextmanager
def written(context: Context, candidate: Candidate | None, checkpoint: Path) -> Iterator[tuple[float, Pipeline, Path]]:
    """What a checkpoint becomes, within the block: its size in MB, a pipeline on it, and its folder.

    Without a ``candidate``, the weights stay in fp32.
    """
    temporary = tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=context.workspace.folder)
    with temporary as name, full_disk_named(checkpoint):
        folder = Path(name)
        copy_tokenizer(checkpoint, folder)
        shutil.copy(checkpoint / "config.json", folder)
        if context.transitions is not None:
            write_transitions(folder, context.transitions)
        export_onnx(checkpoint, folder / MODEL)
        if candidate is not None:
            (folder / MODEL).rename(folder / "whole.onnx")
            quantize(folder / "whole.onnx", folder / MODEL, candidate)
            (folder / "whole.onnx").unlink()
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        yield size, context.open_pipeline(folder, "onnx"), folder


def inference_seconds(context: Context, pipelines: Sequence[Pipeline]) -> list[float]:
    """The median time of each runtime alone for a sentence: what surrounds it is the same for all.

    They take turns, so that other work on the machine slows them alike.
    """
    sentences = context.dataset.dev or context.dataset.train
    some = sentences[:: max(1, len(sentences) // TIMED_WINDOWS)][:TIMED_WINDOWS]
    windows = [
        [
            window.input_ids
            for sentence in some
            for _, window in pipeline.encoder.windows(pipeline.encoder.encode_all(sentence.words))
        ]
        for pipeline in pipelines
    ]
    taken: list[list[float]] = [[] for _ in pipelines]
    for turn in range(ROUNDS + 1):
        for pipeline, own_windows, seconds in zip(pipelines, windows, taken, strict=True):
            for pieces in own_windows:
                started = time.perf_counter()
                pipeline.runtime.logits(pieces)
                if turn:
                    seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds) for seconds in taken]
