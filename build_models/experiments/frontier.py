"""What each part of ``pocket`` gives and costs: each alone, all together, and all together in other shapes."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from transformers import AutoConfig, PretrainedConfig

from build_models.artifacts.export import exported
from build_models.artifacts.scores import seconds_per_text
from build_models.bases.shapes import Shape
from build_models.build import load, open_context, quieten_libraries
from build_models.progress import progress, say
from build_models.recipes import dense
from build_models.recipes.context import Context
from build_models.recipes.dynamic import Candidate
from build_models.recipes.pocket.pocket import CANDIDATES, checkpoint, stage_of, trimmed
from build_models.recipes.pocket.search import described, ladder, written
from build_models.recipes.pocket.shapes import default_shape, scaled, shape_of
from build_models.settings import BuildSettings
from build_models.workspace.workspace import Workspace
from service.artifacts.building import WORKSPACE
from service.evaluation.accuracy import Contender, check
from service.evaluation.labelled import LabelledData
from service.ner.pipeline import run_to_end

WHOLE = Candidate(fused=True, signed=True, per_channel=True, embedding_bits=32)

RESIDENT = """
import sys
import numpy, psutil
from pathlib import Path
from service.runtimes.onnx import load
before = psutil.Process().memory_info().rss
load(Path(sys.argv[1]), 1).logits(numpy.arange(40))
print(psutil.Process().memory_info().rss - before)
"""
"""Run in a separate process, because it would otherwise reuse memory that another model has freed."""


@dataclass(frozen=True)
class Part:
    """A row to measure: the pieces, the shape, and how the weights are stored (None: in fp32)."""

    name: str
    trimmed: bool
    shape: Shape
    candidate: Candidate | None


@dataclass(frozen=True)
class Row:
    """The figures of a part; F1 is agreement with dense where labels are missing."""

    name: str
    megabytes: float
    milliseconds: float
    resident_megabytes: float
    f1: float
    difference: float
    interval: tuple[float, float]


def parts(config: PretrainedConfig, shapes: bool) -> Iterator[Part]:
    """Dense, each part alone, all together, and with ``shapes`` the other shapes that a search would try."""
    own = shape_of(config)
    small = default_shape(own)
    if small == own:
        small = scaled(own, own.width // 2 // 2 * 2)
    eight, four = CANDIDATES[0], CANDIDATES[1]
    yield Part("dense", False, own, None)
    yield Part("fewer pieces", True, own, None)
    yield Part("fewer layers", False, replace(own, layers=min(small.layers, max(1, own.layers // 2))), None)
    yield Part("fewer neurons", False, replace(own, feed_forward=small.feed_forward), None)
    yield Part("narrower, fewer heads", False, replace(small, layers=own.layers), None)
    yield Part("8 bits", False, own, eight)
    yield Part("8 bits, embeddings in 4", False, own, four)
    yield Part(f"all: {described(small)}", True, small, four)
    for shape in ladder(config) if shapes else []:
        if shape != small:
            yield Part(f"all: {described(shape)}", True, shape, four)


def measure(settings: BuildSettings, shapes: bool, out: Path) -> list[Row]:
    """Measure every part and write ``frontier.json``, ``README.md`` and ``frontier.svg`` into ``out``."""
    quieten_libraries()
    settings = replace(settings, out=out)
    workspace = Workspace(out / WORKSPACE)
    dataset = None if settings.model is not None and settings.data is None else load(settings)
    with workspace.locked():
        context = open_context(settings, dataset, workspace)
        config = AutoConfig.from_pretrained(dense.checkpoint(context), local_files_only=True)
        whole = exported(workspace, "dense", dense.checkpoint(context))
        reference = Contender("dense", context.open_pipeline(whole, "onnx"))
        rows = [measured(context, part, reference) for part in parts(config, shapes)]
    (out / "frontier.json").write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    (out / "README.md").write_text(page(rows, context), encoding="utf-8")
    plot(rows, out / "frontier.svg")
    return rows


def measured(context: Context, part: Part, reference: Contender) -> Row:
    own = replace(context.settings.pocket, whole_vocabulary=not part.trimmed)
    context = replace(context, settings=replace(context.settings, pocket=own))
    start = trimmed(context)
    if part.shape != shape_of(AutoConfig.from_pretrained(start, local_files_only=True)):
        stage = f"{stage_of(part.shape)}x{part.shape.feed_forward}{'' if part.trimmed else '-whole'}"
        start = checkpoint(context, part.shape, stage)
    with written(context, part.candidate, start) as (megabytes, pipeline, folder):
        resident = subprocess.run(
            [sys.executable, "-c", RESIDENT, str(folder)], check=True, capture_output=True, text=True
        ).stdout
        data = LabelledData(context.dataset.name, context.data_digest, context.dataset.test)
        with progress(part.name, len(data.sentences)) as advance:
            answer = run_to_end(check(Contender(part.name, pipeline), reference, data, advance))
        row = Row(
            part.name,
            round(megabytes, 3),
            round(1000 * seconds_per_text(pipeline, context.dataset.dev), 3),
            round(int(resident) / 1e6, 1),
            answer.f1,
            answer.difference.f1,
            answer.difference.interval,
        )
    say(f"frontier: {row.name}: {row.megabytes:.2f} MB, {row.milliseconds:.2f} ms, F1 {row.f1:.4f}")
    return row


def page(rows: Sequence[Row], context: Context) -> str:
    figure = "F1" if context.supervision.gold else "agreement with dense"
    lines = [
        f"# What the parts of pocket give and cost: {context.source.name}, {context.dataset.name}",
        "",
        f"Strict IOB2 {figure} on the test split, with the paired difference from dense in points and its 95% bootstrap"
        " interval over sentences; median time per text, one at a time, on this machine; resident memory of the model",
        "in a separate process. `python -m build_models frontier` makes this page.",
        "",
        f"| parts | MB | ms per text | resident MB | {figure} | difference | 95% interval |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        low, high = (100 * bound for bound in row.interval)
        lines.append(
            f"| {row.name} | {row.megabytes:.2f} | {row.milliseconds:.2f} | {row.resident_megabytes:.0f} |"
            f" {row.f1:.4f} | {100 * row.difference:+.1f} | {low:+.1f} to {high:+.1f} |"
        )
    return "\n".join([*lines, "", "![F1 over size](frontier.svg)", ""])


def plot(rows: Sequence[Row], path: Path) -> None:
    """F1 over size and over time."""
    figure, (sizes, times) = pyplot.subplots(1, 2, figsize=(10, 4.4), sharey=True)
    for axes, name, label in ((sizes, "megabytes", "artefact, MB"), (times, "milliseconds", "ms per text")):
        for row in rows:
            axes.scatter(getattr(row, name), row.f1, label=row.name)
        axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
    sizes.set_ylabel("strict F1 on the test split")
    times.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
