"""The paper's claims (arXiv 2404.04759) and what the results say about them.

A claim with several figures is judged figure by figure. A verdict is "confirmed" or "refuted" only if the 95% interval
of its ``Estimate`` lies on one side of the threshold; otherwise, and without an interval, it is "open".
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from build_models.experiments.report.figures import Estimate, Pair, Row, compare
from build_models.experiments.report.groups import Group
from build_models.experiments.results import CellResult

CLOSE = 2.0
"""Maximum F1 loss, in points, of a model that is "close" to dense."""

Word = Literal["confirmed", "refuted", "open"]


class Verdict(NamedTuple):
    """A claim, the paper's figure, the figure measured here, and the verdict."""

    claim: str
    paper: str
    here: str
    verdict: Word


def verdicts(groups: Sequence[Group]) -> list[Verdict]:
    """One verdict per figure of a claim, on the first of the comparable ``groups``."""
    main = groups[0]
    return [
        pruning_before(main),
        *pruning_after(main),
        *distillation(main),
        *teachers(groups),
        *llm_int8(main),
        int8_or_dynamic(main),
        *unseen_languages(main),
    ]


class Target(NamedTuple):
    """A quality target of this project and whether it is met."""

    target: str
    here: str
    met: bool


def targets(groups: Sequence[Group]) -> list[Target]:
    """The targets that were measured, on the first of the comparable ``groups``.

    Variants meet a target by the mean, bases by the interval.
    """
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
        other = group.dense()
        difference = against(reference, other)
        # A base with other dimensions does not show the effect of pretraining.
        if difference and other and reference and other.parameters == reference.parameters:
            name = f"the base `{main.base}` is better than `{group.base}`"
            found.append(Target(name, text(difference), difference.low > 0))
    return found


def above(difference: Estimate | None, line: float) -> Word:
    """Whether the interval is above the line (confirmed), below it (refuted), or contains it (open)."""
    if difference is None:
        return "open"
    if difference.low > line:
        return "confirmed"
    return "refuted" if difference.high < line else "open"


def below(difference: Estimate | None, line: float) -> Word:
    return opposite(above(difference, line))


def within(value: Estimate | None, low: float, high: float) -> Word:
    """Whether the interval is inside ``low`` to ``high`` (confirmed), outside (refuted), or overlaps (open)."""
    if value is None:
        return "open"
    if low <= value.low and value.high <= high:
        return "confirmed"
    return "refuted" if value.high < low or value.low > high else "open"


def both(*words: Word) -> Word:
    """The verdict on a claim about all of several cases: refuted by one, confirmed only by all."""
    if "refuted" in words:
        return "refuted"
    return "confirmed" if words and set(words) == {"confirmed"} else "open"


def either(*words: Word) -> Word:
    """The verdict on a claim about any of several cases: confirmed by one, refuted only by all."""
    return opposite(both(*map(opposite, words)))


def opposite(word: Word) -> Word:
    opposites: dict[Word, Word] = {"confirmed": "refuted", "refuted": "confirmed", "open": "open"}
    return opposites[word]


def text(estimate: Estimate | None, unit: str = "", sign: Literal["+", ""] = "+") -> str:
    """An estimate with its interval, in F1 points unless ``unit`` is given."""
    if estimate is None:
        return "not run"
    if estimate.number < 2:
        return f"{estimate.mean:{sign}.1f}{unit} (one language, no interval)"
    return f"{estimate.mean:{sign}.1f}{unit} [{estimate.low:{sign}.1f}, {estimate.high:{sign}.1f}]"


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


def pruning_after(group: Group) -> Iterator[Verdict]:
    half = against(group.pruned(0.5, after=True), group.dense())
    yield Verdict(
        "Pruning after fine-tuning stays close to dense at 50%",
        "up to about 50%",
        f"50%: {text(half)}",
        above(half, -CLOSE),
    )
    ahead = {
        row.cell.sparsity: against(row, group.pruned(row.cell.sparsity, after=True))
        for row in group.curve(after=False)
        if row.cell.sparsity >= 0.7
    }
    yield Verdict(
        "From 70% sparsity on, pruning before fine-tuning is better than after",
        "more stable",
        "before minus after: "
        + ("; ".join(f"{sparsity:.0%}: {text(difference)}" for sparsity, difference in ahead.items()) or "not run"),
        both(*(above(difference, 0.0) for difference in ahead.values())),
    )


def parameters(result: CellResult) -> float:
    return result.parameters


def size(result: CellResult) -> float:
    return result.artifact_bytes


def seconds(result: CellResult) -> float:
    return result.seconds_per_text


def f1(result: CellResult) -> float:
    return result.scores["test"].f1


def distillation(group: Group) -> Iterator[Verdict]:
    """Losses are judged only for students of the claimed size: one as large as its teacher loses nothing."""
    reference = group.dense()
    students = group.variants("distilled")
    sizes = {row: change(row, reference, parameters) for row in students}
    yield Verdict(
        "A student has 22 to 31% fewer parameters",
        "-22 to -31%",
        named(sizes),
        either(*(within(smaller, -31.0, -22.0) for smaller in sizes.values())),
    )
    small = [row for row, smaller in sizes.items() if below(smaller, -22.0) == "confirmed"]
    losses = {row: change(row, reference, f1) for row in sorted(small, key=lambda row: -row.f1().mean)}
    yield Verdict(
        "The best student at least 22% smaller loses at most 2% of F1",
        "-2%",
        named(dict(list(losses.items())[:1])),
        above(next(iter(losses.values()), None), -2.0),
    )
    yield Verdict(
        "No student at least 22% smaller loses more than 7% of F1",
        "-7%",
        named(losses),
        both(*(above(loss, -7.0) for loss in losses.values())),
    )


def change(row: Row | None, reference: Row | None, value: Callable[[CellResult], float]) -> Estimate | None:
    return row.change(reference, value) if row and reference else None


def named(changes: Mapping[Row, Estimate | None]) -> str:
    return "; ".join(f"{row.cell.technique}: {text(some, '%')}" for row, some in changes.items()) or "not run"


def teachers(groups: Sequence[Group]) -> Iterator[Verdict]:
    """Compare the largest and the smallest teacher by their best students."""
    taught = [(dense, group) for group in groups if (dense := group.dense()) and group.variants("distilled")]
    taught.sort(key=lambda pair: pair[0].parameters)
    better: Estimate | None = None
    kept: Estimate | None = None
    here = kept_here = "only teachers of one size were run"
    if len(taught) > 1 and taught[0][0].parameters != taught[-1][0].parameters:
        teacher, large_teacher = taught[0][0], taught[-1][0]
        student, large_student = (
            max(group.variants("distilled"), key=lambda row: row.f1().mean) for _, group in (taught[0], taught[-1])
        )
        better = large_student.difference(student)
        here = f"best of `{large_teacher.cell.base}` minus best of `{teacher.cell.base}`: {text(better)}"
        kept = compare(retained(student, teacher), retained(large_student, large_teacher), lambda a, b: a - b)
        kept_here = f"retained from `{teacher.cell.base}` minus from `{large_teacher.cell.base}`: {text(kept, '%')}"
    yield Verdict("The largest teacher has the best student", "large", here, above(better, 0.0))
    yield Verdict("The student of the smallest teacher retains more of its F1", "base", kept_here, above(kept, 0.0))


def retained(student: Row, teacher: Row) -> dict[Pair, float]:
    """The student's F1 in percent of the teacher's."""
    mine, theirs = student.scores(), teacher.scores()
    return {pair: 100 * mine[pair] / theirs[pair] for pair in mine.keys() & theirs.keys() if theirs[pair]}


def llm_int8(group: Group) -> Iterator[Verdict]:
    """Judge each of the paper's figures with a tolerance around it."""
    reference = group.dense()
    row = next(iter(group.variants("int8")), None)
    claims: tuple[tuple[str, str, Callable[[CellResult], float], float, float], ...] = (
        ("LLM.int8() is about 64% smaller (54 to 74%)", "504 → 181 MB, -64%", size, -74.0, -54.0),
        ("LLM.int8() takes about 52% less time per text (42 to 62%; here on a CPU)", "-52%", seconds, -62.0, -42.0),
        ("LLM.int8() loses about 4.7% of F1 (2.7 to 6.7%)", "-4.7%", f1, -6.7, -2.7),
    )
    for claim, paper, value, low, high in claims:
        found = change(row, reference, value)
        yield Verdict(claim, paper, text(found, "%"), within(found, low, high))


def int8_or_dynamic(group: Group) -> Verdict:
    rows = {row.cell.variant: row for row in group.variants("int8", "dynamic")}
    difference = against(rows.get("int8"), rows.get("dynamic"))
    dynamic = against(rows.get("dynamic"), group.dense())
    return Verdict(
        "LLM.int8() has a higher F1 than dynamic quantization",
        "better",
        f"int8 minus dynamic: {text(difference)}; dynamic minus dense: {text(dynamic)}",
        above(difference, 0.0),
    )


def unseen_languages(group: Group) -> Iterator[Verdict]:
    """Languages in which the dense model finds almost nothing are left out of the pruned claims."""
    reference = group.dense("crosslingual")
    names = [name for name in reference.results[0].scores if name not in ("dev", "test")] if reference else []
    found = {name: reference.f1(name) for name in names} if reference else {}
    yield Verdict(
        "Languages without fine-tuning: dense has F1 40 to 60",
        "F1 40 to 60",
        ", ".join(f"{name} {text(dense, sign='')}" for name, dense in found.items()) or "not run",
        both(*(within(dense, 40.0, 60.0) for dense in found.values())),
    )
    cases = [name for name in names if found[name].mean >= CLOSE]
    judges: tuple[tuple[float, str, Callable[[Estimate | None], Word]], ...] = (
        (0.5, "competitive", lambda difference: above(difference, -CLOSE)),
        (0.7, "lower", lambda difference: below(difference, 0.0)),
    )
    for sparsity, paper, judge in judges:
        row = group.pruned(sparsity, after=False, tests="crosslingual")
        differences = {name: against(row, reference, name) for name in cases} if row else {}
        yield Verdict(
            f"Languages without fine-tuning: pruned {sparsity:.0%} is {paper}",
            paper,
            ", ".join(f"{name} {text(difference)}" for name, difference in differences.items()) or "not run",
            both(*(judge(difference) for difference in differences.values())),
        )
