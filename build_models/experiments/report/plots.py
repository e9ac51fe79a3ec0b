"""The plots of the results page, as reproducible SVG."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.axes import Axes

from build_models.experiments.report.figures import Row, pareto_front
from build_models.experiments.report.groups import Group

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
    rows = group.tested("crosslingual")
    if len(rows) < 2:
        return False
    _, axes = pyplot.subplots(figsize=(7, 4.2))
    for name in rows[0].results[0].scores:
        if name not in ("dev", "test"):
            _curve(axes, name, rows, name)
    _finish(axes, SPARSITY, path)
    return True


def plot_sizes(group: Group, path: Path) -> bool:
    """Plot F1 over size of every technique, with the Pareto front. Returns False if there is nothing to plot."""
    rows = group.tested("own")
    if len(rows) < 2:
        return False
    _, axes = pyplot.subplots(figsize=(7, 4.6))
    for variant in dict.fromkeys(row.cell.variant for row in rows):
        some = [row for row in rows if row.cell.variant == variant]
        axes.scatter([row.megabytes for row in some], [row.f1().mean for row in some], label=variant)
    front = pareto_front(rows)
    axes.step([row.megabytes for row in front], [row.f1().mean for row in front], where="post", color="gray", lw=1)
    _finish(axes, "artefact, MB", path)
    return True


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


def _finish(axes: Axes, across: str, path: Path) -> None:
    axes.set_xlabel(across)
    axes.set_ylabel("strict F1, mean over languages and seeds")
    axes.grid(alpha=0.3)
    axes.legend()
    pyplot.tight_layout()
    pyplot.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close()
