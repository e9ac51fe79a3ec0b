"""The paper's claims (arXiv 2404.04759), and what the results say to each.

A claim is confirmed or refuted only where the 95% interval lies on one side of the line; all else is open.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from build_models.experiments.figures import Estimate, Row
from build_models.experiments.groups import Group

CLOSE = 2.0
"""Points of F1 within which a model counts as close to the dense one."""

Word = Literal["confirmed", "refuted", "open"]


class Verdict(NamedTuple):
    """A claim, the paper's figure, ours, and what follows."""

    claim: str
    paper: str
    here: str
    verdict: Word


def verdicts(groups: Sequence[Group]) -> list[Verdict]:
    """One for each claim, on the first group, which is the largest."""
    main = groups[0]
    found = [judge(main) for judge in JUDGES]
    return [*found[:3], teachers(groups), *found[3:]]


class Target(NamedTuple):
    """What the variants are meant to keep, and what they kept."""

    target: str
    here: str
    met: bool


def targets(groups: Sequence[Group]) -> list[Target]:
    """Those that were run. Met goes by the mean; the interval says how sure that is."""
    main = groups[0]
    reference = main.dense()
    limits = (
        ("pruned 60% before fine-tuning", main.pruned(0.6, after=False), 1.0),
        ("LLM.int8()", next(iter(main.variants("int8")), None), 0.3),
        ("dynamic, settings chosen on dev", next(iter(main.variants("dynamic")), None), 0.5),
    )
    found = [
        Target(f"{name}: at most {limit} below dense", text(difference), difference.mean >= -limit)
        for name, row, limit in limits
        if (difference := against(row, reference))
    ]
    for group in groups[1:]:
        difference = against(reference, group.dense())
        if difference:
            name = f"the base `{main.base}` is worth more than `{group.base}`"
            found.append(Target(name, text(difference), difference.low > 0))
    return found


def above(difference: Estimate | None, line: float) -> Word:
    """Whether a difference is surely above the line (confirmed), surely below (refuted), or neither."""
    if difference is None:
        return "open"
    if difference.low > line:
        return "confirmed"
    return "refuted" if difference.high < line else "open"


def both(*words: Word) -> Word:
    """A claim with several parts: refuted if one is, confirmed if all are."""
    if "refuted" in words:
        return "refuted"
    return "confirmed" if set(words) == {"confirmed"} else "open"


def text(estimate: Estimate | None) -> str:
    """A difference in points with its interval."""
    if estimate is None:
        return "not run"
    if estimate.number < 2:
        return f"{estimate.mean:+.1f} (one pair, no interval)"
    return f"{estimate.mean:+.1f} [{estimate.low:+.1f}, {estimate.high:+.1f}]"


def against(row: Row | None, reference: Row | None, name: str = "test") -> Estimate | None:
    return row.difference(reference, name) if row and reference else None


def pruning_before(group: Group) -> Verdict:
    reference = group.dense()
    differences = {row.cell.sparsity: against(row, reference) for row in group.curve(after=False)}
    upto = {sparsity: difference for sparsity, difference in differences.items() if sparsity <= 0.6}
    return Verdict(
        "Magnitude pruning before fine-tuning stays close to dense up to 60% sparsity",
        "close up to 60%",
        "; ".join(f"{sparsity:.0%}: {text(difference)}" for sparsity, difference in differences.items()) or "not run",
        both(*(above(difference, -CLOSE) for difference in upto.values())) if 0.6 in upto else "open",
    )


def pruning_after(group: Group) -> Verdict:
    reference = group.dense()
    half = against(group.pruned(0.5, after=True), reference)
    ahead = {
        row.cell.sparsity: against(row, group.pruned(row.cell.sparsity, after=True))
        for row in group.curve(after=False)
        if row.cell.sparsity >= 0.7
    }
    return Verdict(
        "Pruning after fine-tuning holds to about 50%; before is steadier at high sparsity",
        "after: to about 50%",
        f"after, 50%: {text(half)}; before less after: "
        + ("; ".join(f"{sparsity:.0%}: {text(difference)}" for sparsity, difference in ahead.items()) or "not run"),
        both(above(half, -CLOSE), *(above(difference, 0.0) for difference in ahead.values())) if ahead else "open",
    )


def distillation(group: Group) -> Verdict:
    reference = group.dense()
    students = group.variants("distilled")
    if reference is None or not students:
        return Verdict(_DISTILLATION, _DISTILLATION_PAPER, "not run", "open")
    losses = {row: 100 * (1 - row.f1().mean / reference.f1().mean) for row in students}
    best, worst = min(students, key=losses.__getitem__), max(students, key=losses.__getitem__)
    smaller = [100 * (1 - row.parameters / reference.parameters) for row in students]
    inside = [row for row in students if abs(losses[row]) <= 7.0]
    return Verdict(
        _DISTILLATION,
        _DISTILLATION_PAPER,
        f"{min(smaller):.0f} to {max(smaller):.0f}% fewer parameters; loss from {losses[best]:.1f}%"
        f" ({best.cell.technique}) to {losses[worst]:.1f}% ({worst.cell.technique}) of F1",
        "confirmed" if len(inside) == len(students) else "refuted" if not inside else "open",
    )


_DISTILLATION = "Distillation makes a model 22 to 31% smaller at a loss of about 2% (best) to 7% (worst) of F1"
_DISTILLATION_PAPER = "22 to 31% smaller, 2 to 7% loss"


def teachers(groups: Sequence[Group]) -> Verdict:
    """The largest teacher and the smallest, by their best students."""
    claim, paper = "The large teacher makes the best student; the base teacher passes on more of what it has", "large"
    taught = [(dense, group) for group in groups if (dense := group.dense()) and group.variants("distilled")]
    taught.sort(key=lambda pair: pair[0].parameters)
    if len(taught) < 2 or taught[0][0].parameters == taught[-1][0].parameters:
        return Verdict(claim, paper, "only teachers of one size were run", "open")
    parts, students, kept = [], [], []
    for dense, group in (taught[0], taught[-1]):
        students.append(max(group.variants("distilled"), key=lambda row: row.f1().mean))
        kept.append(100 * students[-1].f1().mean / dense.f1().mean)
        parts.append(f"{group.base}: best student {students[-1].f1().mean:.1f}, {kept[-1]:.1f}% of its teacher")
    difference = against(students[1], students[0])
    return Verdict(
        claim,
        paper,
        f"{'; '.join(parts)}; large less small: {text(difference)}",
        both(above(difference, 0.0), "confirmed" if kept[0] > kept[1] else "refuted"),
    )


def llm_int8(group: Group) -> Verdict:
    reference = group.dense()
    row = next(iter(group.variants("int8")), None)
    claim = "LLM.int8(): 64% smaller, 52% faster, about 4.7% of F1 lost"
    if row is None or reference is None:
        return Verdict(claim, "-64.08% MB, -52.3% time, -4.7% F1", "not run", "open")
    size = 100 * (row.megabytes / reference.megabytes - 1)
    speed = 100 * (row.milliseconds / reference.milliseconds - 1)
    difference = against(row, reference)
    lost = above(difference, -CLOSE)
    return Verdict(
        claim,
        "504 → 181 MB (-64%), time -52%, F1 -4.7%",
        f"{size:+.0f}% MB, {speed:+.0f}% time a text on a CPU, F1 {text(difference)} points",
        # The loss is the claim; a difference surely smaller than CLOSE is not one of 4.7.
        "refuted" if lost == "confirmed" else "confirmed" if lost == "refuted" else "open",
    )


def int8_or_dynamic(group: Group) -> Verdict:
    rows = {row.cell.variant: row for row in group.variants("int8", "dynamic")}
    difference = against(rows.get("int8"), rows.get("dynamic"))
    dynamic = against(rows.get("dynamic"), group.dense())
    return Verdict(
        "LLM.int8() is better than dynamic quantization",
        "better",
        f"int8 less dynamic: {text(difference)}; dynamic less dense: {text(dynamic)}",
        above(difference, 0.0),
    )


def unseen_languages(group: Group) -> Verdict:
    rows = group.tested("crosslingual")
    reference = group.dense("crosslingual")
    claim = "Languages never fine-tuned on: F1 40 to 60; competitive at 50% sparsity, lower at 70%"
    if reference is None:
        return Verdict(claim, "F1 40 to 60", "not run", "open")
    names = [name for name in reference.results[0].scores if name not in ("dev", "test")]
    dense = ", ".join(f"{name} {reference.f1(name).mean:.1f}" for name in names)
    parts = [f"dense: {dense}"]
    for sparsity in (0.5, 0.7):
        row = next((row for row in rows if row.cell.sparsity == sparsity), None)
        if row:
            parts.append(
                f"{sparsity:.0%} less dense: "
                + ", ".join(f"{name} {text(against(row, reference, name))}" for name in names)
            )
    inside = [40 <= reference.f1(name).mean <= 60 for name in names]
    word: Word = "confirmed" if all(inside) else "refuted" if not any(inside) else "open"
    return Verdict(claim, "F1 40 to 60", "; ".join(parts), word)


JUDGES: tuple[Callable[[Group], Verdict], ...] = (
    pruning_before,
    pruning_after,
    distillation,
    llm_int8,
    int8_or_dynamic,
    unseen_languages,
)
