"""The plots of the report as inline SVG."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadtests.load.samples import Sample
from loadtests.report.figures import measured
from loadtests.report.record import MIXED, Record
from loadtests.report.summary import PAPER_SIZE, PAPER_TIME, Row, pareto

matplotlib.rcParams.update(
    # Text stays text, which is searchable and small.
    {"svg.fonttype": "none", "svg.hashsalt": "kidogo", "font.size": 9, "axes.spines.top": False, "axes.grid": True}
)
matplotlib.rcParams.update({"axes.spines.right": False, "grid.alpha": 0.3, "font.family": "sans-serif"})

# The colour-blind safe palette of Okabe and Ito.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = "osD^vPX*"


def _figure(horizontal: str, vertical: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.2, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(horizontal)
    axes.set_ylabel(vertical)
    return figure, axes


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue().partition("?>")[2].partition('dtd">')[2].strip()


def _style(record: Record, subject: str) -> dict[str, Any]:
    place = record.subjects.index(subject)
    return {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}


def latency_against_rate(record: Record) -> str:
    """p99 and p50 response time over the offered rate of the open loop; bars span the repetitions."""
    figure, axes = _figure("offered requests/s (Poisson)", "response time in ms, p99 (p50 dotted)")
    for subject in record.subjects:
        style = _style(record, subject)
        points = []
        for rate, cells in record.select(subject, "open").items():
            responses = [cell.times.response for cell in cells if cell.times.response]
            tails = [tail for response in responses if (tail := response.shown("p99")) is not None]
            if tails:
                medians = [response.p50 for response in responses]
                points.append((rate, np.median(tails), min(tails), max(tails), np.median(medians)))
        if not points:
            continue
        rate, tail, low, high, median = np.array(points).T
        axes.errorbar(rate, tail, [tail - low, high - tail], label=subject, markersize=4, linewidth=1, **style)
        axes.plot(rate, median, linestyle=":", linewidth=1, color=style["color"])
    axes.axhline(record.settings.bound_ms, color="black", linewidth=0.8, linestyle="--")
    axes.annotate(f"bound {record.settings.bound_ms:g} ms", (0, record.settings.bound_ms), fontsize=8, va="bottom")
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
    return _svg(figure)


def cumulative(record: Record, samples: Sequence[Sequence[Sample]]) -> str:
    """The distribution of service times with one request in flight, over all repetitions."""
    figure, axes = _figure("service time in ms, one request in flight", "share of answers")
    for subject in record.subjects:
        levels = record.select(subject, "closed")
        fewest = min(levels)
        times = [
            1000 * (sample.ended - sample.started)
            for cell, raw in zip(record.cells, samples, strict=True)
            if (cell.subject, cell.pattern, cell.level) == (subject, "closed", fewest)
            for sample in measured(raw, cell.seconds, closed=True)[3]
        ]
        if times and subject != MIXED:
            ordered = np.sort(times)
            # 1,000 points keep the page small.
            shares = np.linspace(0, 1, min(len(ordered), 1000))
            axes.plot(np.quantile(ordered, shares), shares, label=subject, color=_style(record, subject)["color"])
    axes.set_xscale("log")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
    return _svg(figure)


def quality_against_latency(record: Record, rows: Sequence[Row]) -> str | None:
    """F1 over p50 with one request in flight, with Pareto front and the paper's time; None without F1."""
    points: dict[str, tuple[float, float]] = {}
    for row in rows:
        facts = record.variants.get(row.subject)
        if facts and facts.test_f1 is not None and row.service.p50:
            points[row.subject] = (row.service.p50.median, facts.test_f1)
    if not points:
        return None
    figure, axes = _figure("p50, ms, one request in flight", "test F1")
    for name, (milliseconds, f1) in points.items():
        axes.plot(milliseconds, f1, linestyle="", **_style(record, name))
        axes.annotate(name, (milliseconds, f1), xytext=(5, 4), textcoords="offset points", fontsize=8)
    front = pareto(points)
    times, scores = zip(*(points[name] for name in front), strict=True)
    axes.plot(times, scores, "o-", color="grey", linewidth=1, markersize=14, markerfacecolor="none", zorder=0)
    axes.set_xscale("log")
    if "dense" in points:
        claimed = PAPER_TIME * points["dense"][0]
        axes.axvline(claimed, color="grey", linestyle="--", linewidth=0.8)
        axes.annotate("the paper's int8:\n52.3% less than dense", (claimed, axes.get_ylim()[1]), fontsize=7, va="top")
    return _svg(figure)


def size_against_time(record: Record, rows: Sequence[Row]) -> str | None:
    """Artefact size and inference time relative to dense, with the paper's claim; None without dense."""
    points: dict[str, tuple[float, float]] = {}
    for row in rows:
        facts = record.variants.get(row.subject)
        if facts and facts.artifact_bytes and row.inference.p50:
            points[row.subject] = (row.inference.p50.median, facts.artifact_bytes)
    if "dense" not in points:
        return None
    figure, axes = _figure("inference time relative to dense", "artefact size relative to dense")
    for name, (milliseconds, size) in points.items():
        place = (milliseconds / points["dense"][0], size / points["dense"][1])
        axes.plot(*place, linestyle="", **_style(record, name))
        axes.annotate(name, place, xytext=(5, 4), textcoords="offset points", fontsize=8)
    axes.plot(PAPER_TIME, PAPER_SIZE, marker="x", color="black", linestyle="", markersize=8)
    axes.annotate("the paper's int8", (PAPER_TIME, PAPER_SIZE), xytext=(5, -10), textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    return _svg(figure)
