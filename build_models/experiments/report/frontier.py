"""What each part of ``pocket`` gives and costs: each alone, one after the other, and all together in other shapes.

With several models, such as one fine-tuned with several seeds, differences from dense have intervals by Student's t
over the models' means of the languages. With one, they have bootstrap intervals over sentences.
"""

import json
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from transformers import AutoConfig

from build_models.artifacts.export import exported
from build_models.artifacts.scores import seconds_per_text
from build_models.bases.shapes import Shape
from build_models.build import load, open_context, quieten_libraries
from build_models.errors import BuildError
from build_models.experiments.report.inference import estimate
from build_models.progress import progress, say
from build_models.recipes import dense
from build_models.recipes.context import Context
from build_models.recipes.dynamic import Candidate
from build_models.recipes.pocket.pocket import CANDIDATES, checkpoint, trimmed, wanted_shape
from build_models.recipes.pocket.search import described, ladder, written
from build_models.recipes.pocket.shapes import scaled, shape_of
from build_models.settings import BuildSettings
from build_models.workspace.workspace import Workspace
from service.artifacts.building import WORKSPACE
from service.evaluation.accuracy import Contender, check
from service.evaluation.labelled import LabelledData
from service.ner.pipeline import run_to_end

WHOLE = Candidate(fused=True, signed=True, per_channel=True, embedding_bits=32)

UNTAUGHT = "all, untaught"

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
    """A row to measure: the pieces, the shape, how the weights are stored (None: in fp32), and how it is taught."""

    name: str
    trimmed: bool
    shape: Shape
    candidate: Candidate | None
    first_step: bool = True
    second_step: bool = True

    @property
    def stage(self) -> str:
        return "part-" + re.sub(r"[^a-z0-9]+", "-", self.name.lower())


@dataclass(frozen=True)
class Row:
    """The figures of a part of one model; F1 is agreement with dense where labels are missing.

    ``difference`` is from dense, ``languages`` the same for each language, and ``interval`` the 95% bootstrap interval.
    """

    name: str
    megabytes: float
    milliseconds: float
    resident_megabytes: float
    f1: float
    difference: float
    interval: tuple[float, float]
    languages: dict[str, float]


def parts(own: Shape, small: Shape, others: Sequence[Shape]) -> Iterator[Part]:
    """Dense, each part alone, one after the other, all together without steps of the teaching, and in other shapes.

    ``own`` is the shape of dense, ``small`` that of ``pocket``.
    """
    if small == own:
        small = scaled(own, own.width // 2 // 2 * 2)
    eight, four = CANDIDATES[0], CANDIDATES[1]
    shallow = replace(own, layers=small.layers if small.layers < own.layers else max(1, own.layers // 2))
    yield Part("dense", False, own, None)
    yield Part("fewer pieces", True, own, None)
    yield Part("8 bits", False, own, eight)
    yield Part("8 bits, embeddings in 4", False, own, four)
    yield Part(f"fewer layers: {shallow.layers}", False, shallow, None)
    yield Part(f"fewer neurons: {small.feed_forward}", False, replace(own, feed_forward=small.feed_forward), None)
    yield Part(f"narrower, fewer heads: {small.width}", False, replace(small, layers=own.layers), None)
    yield Part("fewer pieces and bits", True, own, four)
    if small.layers < own.layers:
        yield Part("fewer pieces, bits and layers", True, replace(own, layers=small.layers), four)
    yield Part(f"all: {described(small)}", True, small, four)
    yield Part("all, without the first step of teaching", True, small, four, first_step=False)
    yield Part("all, without the second step", True, small, four, second_step=False)
    yield Part(UNTAUGHT, True, small, four, first_step=False, second_step=False)
    for shape in others:
        if shape != small:
            yield Part(f"all: {described(shape)}", True, shape, four)


def measure(settings: BuildSettings, models: Sequence[str], shapes: bool, out: Path) -> list[list[Row]]:
    """Measure every part of every model and write ``frontier.json``, ``README.md`` and ``frontier.svg`` into ``out``.

    With ``shapes``, the other shapes that a search would try are measured, too.
    """
    quieten_libraries()
    results: list[list[Row]] = []
    for number, model in enumerate(models, 1):
        # A folder for each model, so that a run that was stopped resumes where it was.
        folder = out if len(models) == 1 else out / str(number)
        own = replace(settings, out=folder, model=model)
        workspace = Workspace(folder / WORKSPACE)
        dataset = None if own.data is None else load(own)
        with workspace.locked():
            context = open_context(own, dataset, workspace)
            config = AutoConfig.from_pretrained(dense.checkpoint(context), local_files_only=True)
            whole = exported(workspace, "dense", dense.checkpoint(context))
            reference = Contender("dense", context.open_pipeline(whole, "onnx"))
            wanted = list(parts(shape_of(config), wanted_shape(context), ladder(config) if shapes else []))
            if results and [part.name for part in wanted] != [row.name for row in results[0]]:
                raise BuildError(f"{model} has another shape than {models[0]}: measure each alone, with another --out")
            results.append([measured(context, part, reference) for part in wanted])
        # After each model, since a run over several may be stopped in between.
        write(results, context, out)
    return results


def write(results: Sequence[Sequence[Row]], context: Context, out: Path) -> None:
    (out / "frontier.json").write_text(
        json.dumps([[asdict(row) for row in rows] for rows in results], indent=2) + "\n", encoding="utf-8"
    )
    summaries = [summary(rows) for rows in zip(*results, strict=True)]
    (out / "README.md").write_text(page(summaries, context, len(results)), encoding="utf-8")
    plot(summaries, out / "frontier.svg")


def summary(rows: Sequence[Row]) -> Row:
    """The means of a part over the models, with the interval of the difference over the models.

    It is about these languages with other models, whose mean over the languages is one observation: the figures of a
    model's languages are not independent. That of the grids is about other languages.
    """
    if len(rows) == 1:
        return rows[0]
    difference = estimate([statistics.fmean(row.languages.values() or [row.difference]) for row in rows])
    return Row(
        rows[0].name,
        statistics.fmean(row.megabytes for row in rows),
        statistics.fmean(row.milliseconds for row in rows),
        statistics.fmean(row.resident_megabytes for row in rows),
        statistics.fmean(row.f1 for row in rows),
        difference.mean,
        (difference.low, difference.high),
        {name: statistics.fmean(row.languages[name] for row in rows) for name in rows[0].languages},
    )


def measured(context: Context, part: Part, reference: Contender) -> Row:
    pocket = context.settings.pocket
    own = replace(
        pocket,
        whole_vocabulary=not part.trimmed,
        hidden_epochs=pocket.hidden_epochs if part.first_step else 0,
        epochs=pocket.epochs if part.second_step else 0,
    )
    context = replace(context, settings=replace(context.settings, pocket=own))
    start = trimmed(context)
    if part.shape != shape_of(AutoConfig.from_pretrained(start, local_files_only=True)):
        start = checkpoint(context, part.shape, part.stage)
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
            {language: difference.f1 for language, difference in answer.difference.languages.items()},
        )
    say(f"frontier: {row.name}: {row.megabytes:.2f} MB, {row.milliseconds:.2f} ms, F1 {row.f1:.4f}")
    return row


def page(rows: Sequence[Row], context: Context, models: int) -> str:
    figure = "F1" if context.supervision.gold else "agreement with dense"
    name = context.source.name if models == 1 else f"{models} models"
    if models == 1:
        interval = "the paired difference from dense in points and its 95% bootstrap interval over sentences"
    else:
        interval = (
            "the difference from dense in points, a mean over languages and models, and its 95% interval by Student's t"
            " over the models"
        )
    lines = [
        f"# What the parts of pocket give and cost: {name}, {context.dataset.name}",
        "",
        f"Strict IOB2 {figure} on the test split, with {interval}; median time per text, one at a time, on this",
        "machine; resident memory of the model in a separate process. Made by `python -m build_models frontier`.",
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
    """F1 over size and over time with the intervals of the differences from dense.

    What is untaught is left out: it is far below the rest.
    """
    figure, (sizes, times) = pyplot.subplots(1, 2, figsize=(11, 4.4), sharey=True)
    for axes, name, label in ((sizes, "megabytes", "artefact, MB"), (times, "milliseconds", "ms per text")):
        for number, row in enumerate(row for row in rows if row.name != UNTAUGHT):
            low, high = row.interval
            color = pyplot.get_cmap("tab20")(number % 20)
            # Of a skewed bootstrap interval, the difference may be outside.
            above, below = max(0.0, high - row.difference), max(0.0, row.difference - low)
            axes.errorbar(
                getattr(row, name), row.f1, yerr=[[below], [above]], fmt="o", capsize=2, color=color, label=row.name
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
    sizes.set_ylabel("strict F1 on the test split")
    times.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
