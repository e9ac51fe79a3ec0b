"""The plots of the results page, as reproducible SVG."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.axes import Axes

from build_models.experiments.report.figures import Row, pareto_front
from build_models.experiments.report.groups import Group
from build_models.experiments.report.inference import Estimate

matplotlib.rcParams["svg.hashsalt"] = "kidogo"

SPARSITY = "sparsity of the encoder's matrices, %"


def plot_pruning(group: Group, path: Path) -> bool:
    """Plot F1 over sparsity, before and after fine-tuning. Returns False if there is nothing to plot."""
    reference = group.dense()
    curves = {
        "before fine-tuning": group.curve(after=False),
        "after fine-tuning": group.curve(after=True),
        "after, with recovery": group.curve(after=True, recovery=True),
    }
    if not any(curves.values()):
        return False
    _, axes = pyplot.subplots(figsize=(7, 4.2))
    for name, rows in curves.items():
        if rows:
            _curve(axes, name, [*([reference] if reference else []), *rows])
    _finish(axes, SPARSITY, path)
    return True


def plot_unseen(group: Group, path: Path) -> bool:
    """Plot F1 over sparsity in languages without fine-tuning. Returns False if there is nothing to plot."""
    rows = group.variants("dense", "pruned", tests="crosslingual")
    if len(rows) < 2:
        return False
    _, axes = pyplot.subplots(figsize=(7, 4.2))
    for name in rows[0].tests:
        if name not in ("dev", "test"):
            _curve(axes, name, [row for row in rows if name in row.tests], name)
    _finish(axes, SPARSITY, path)
    return True


def plot_sizes(group: Group, path: Path) -> bool:
    """Plot F1 over size of every technique, with the Pareto front and the intervals of the differences from dense.

    Returns False if there is nothing to plot.
    """
    rows, reference = group.tested("own"), group.dense()
    if len(rows) < 2:
        return False
    _, axes = pyplot.subplots(figsize=(7, 4.6))
    for variant in dict.fromkeys(row.cell.variant for row in rows):
        some = [row for row in rows if row.cell.variant == variant]
        differences = [row.difference(reference) if reference and row is not reference else None for row in some]
        axes.errorbar(
            [row.megabytes for row in some],
            [row.f1().mean for row in some],
            # That of the mean F1 would show how languages differ, not models.
            yerr=[some.half_width(0.025) if some and some.number > 1 else 0.0 for some in differences],
            fmt="o",
            capsize=2,
            lw=0.8,
            label=variant,
        )
    front = pareto_front(rows, reference)
    axes.step([row.megabytes for row in front], [row.f1().mean for row in front], where="post", color="gray", lw=1)
    _finish(axes, "artefact, MB", path)
    return True


def plot_languages(lost: Mapping[str, Mapping[float, float]], path: Path) -> None:
    """Plot the difference from dense over sparsity, a line for each language."""
    _, axes = pyplot.subplots(figsize=(7, 4.2))
    for language, by_sparsity in lost.items():
        axes.plot([100 * sparsity for sparsity in by_sparsity], list(by_sparsity.values()), marker="o", label=language)
    axes.axhline(0.0, color="gray", lw=1)
    _finish(axes, SPARSITY, path, "F1 minus dense, mean over seeds", columns=2)


def plot_calibration(sure: Mapping[str, Estimate], path: Path) -> None:
    """Plot by how much the scores of each technique exceed the share that is right."""
    _intervals(sure, "mean score minus share that is right, points", path)


def plot_int8(changes: Mapping[str, Estimate], path: Path) -> None:
    """Plot what LLM.int8() changes under each setting, and the paper's figure."""
    _intervals(changes, "change of F1, %", path, line=-4.7)


def plot_noise(rows: Sequence[Row], names: Sequence[str], path: Path) -> None:
    """Plot F1 with each noise, a line for each technique."""
    _, axes = pyplot.subplots(figsize=(7, 5))
    for row in rows:
        estimates = [row.f1(name) for name in ("test", *names)]
        axes.plot(["none", *names], [estimate.mean for estimate in estimates], marker="o", label=row.cell.technique)
    # Inside the axes, the legend would cover the lines.
    axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1), fontsize="small", frameon=False)
    _finish(axes, "noise in the test sentences", path)


def _intervals(found: Mapping[str, Estimate], across: str, path: Path, line: float = 0.0) -> None:
    """Plot a mean and its 95% interval for each name; ``line`` is the value to compare with."""
    _, axes = pyplot.subplots(figsize=(8, 0.9 + 0.28 * len(found)))
    names = list(found)[::-1]
    axes.errorbar(
        [found[name].mean for name in names],
        names,
        xerr=[found[name].half_width(0.025) if found[name].number > 1 else 0.0 for name in names],
        fmt="o",
        capsize=3,
    )
    axes.axvline(line, color="gray", lw=1)
    axes.set_xlabel(across)
    axes.grid(alpha=0.3, axis="x")
    _save(path)


def _curve(axes: Axes, name: str, rows: Sequence[Row], test: str = "test") -> None:
    estimates = [row.f1(test) for row in rows]
    deviations = [row.deviation(test) for row in rows]
    axes.errorbar(
        [100 * row.cell.sparsity for row in rows],
        [estimate.mean for estimate in estimates],
        # The deviation of a single seed is NaN.
        yerr=[deviation if deviation == deviation else 0.0 for deviation in deviations],
        marker="o",
        capsize=3,
        label=name,
    )


def _finish(
    axes: Axes, across: str, path: Path, up: str = "strict F1, mean over languages and seeds", columns: int = 1
) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
    if axes.get_legend() is None:
        axes.legend(ncols=columns)
    _save(path)


def _save(path: Path) -> None:
    pyplot.tight_layout()
    pyplot.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close()
