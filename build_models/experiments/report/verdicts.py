"""What the results say about the paper's claims, by the tests in ``claims.py``."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import fsum
from typing import Literal, NamedTuple

from build_models.experiments.cells import UNSEEN
from build_models.experiments.report.claims import CLAIMS, LITTLE
from build_models.experiments.report.figures import Pair, Row, compare
from build_models.experiments.report.groups import Group
from build_models.experiments.report.inference import ALPHA, Estimate, Word, decide
from build_models.experiments.results import CellResult

Figures = Mapping[str, Estimate | None]
"""The figures that a claim is tested by, with what each is about."""


class Verdict(NamedTuple):
    """A claim, the paper's figure, the figures measured here, the verdict, and the power of its tests.

    ``other_seeds`` is the verdict if the seeds are a sample as the languages are; empty if a figure has a single seed.
    ``seen`` is the distance from the claim's line that the least powerful of its tests would have shown.
    """

    claim: str
    paper: str
    here: str
    verdict: Word
    other_seeds: Word | Literal[""]
    seen: str


def verdicts(groups: Sequence[Group]) -> list[Verdict]:
    """One verdict for each claim, on the first of the comparable ``groups``."""
    found = dict(measured(groups))
    return [verdict(name, *found[name]) for name in CLAIMS]


def verdict(name: str, figures: Figures, unit: str = "", also: Figures | None = None) -> Verdict:
    """The verdict on a claim by its figures; ``also`` are shown beside them and do not count."""
    claim = CLAIMS[name]
    tested = list(figures.values())
    shown = {**figures, **(also or {})}
    here = "; ".join(
        f"{title}: {text(figure, unit)}" if title else text(figure, unit) for title, figure in shown.items()
    )
    with_seeds = [figure and figure.other_seeds for figure in tested]
    exact = [figure.seen(ALPHA / len(CLAIMS)) for figure in tested if figure and figure.number > 1]
    return Verdict(
        claim.text,
        claim.paper,
        here or "not run",
        decide(claim.rule, tested, len(CLAIMS), claim.any_of),
        decide(claim.rule, with_seeds, len(CLAIMS), claim.any_of) if tested and all(with_seeds) else "",
        f"{max(exact):.1f}{unit}" if exact else "",
    )


def measured(groups: Sequence[Group]) -> Iterator[tuple[str, tuple[Figures, str] | tuple[Figures, str, Figures]]]:
    """The figures of each claim, their unit, and figures to show beside them."""
    main = groups[0]
    yield from pruning(main)
    yield from distillation(groups)
    yield from teachers(groups)
    yield from quantization(main)
    yield from unseen_languages(main)


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


def text(estimate: Estimate | None, unit: str = "", sign: Literal["+", ""] = "+") -> str:
    """An estimate with its 95% interval, in F1 points unless ``unit`` is given."""
    if estimate is None:
        return "not run"
    if estimate.number < 2:
        return f"{estimate.mean:{sign}.1f}{unit} (one language, no interval)"
    return f"{estimate.mean:{sign}.1f}{unit} [{estimate.low:{sign}.1f}, {estimate.high:{sign}.1f}]"


def against(row: Row | None, reference: Row | None, name: str = "test") -> Estimate | None:
    return row.difference(reference, name) if row and reference else None


def pruning(group: Group) -> Iterator[tuple[str, tuple[Figures, str] | tuple[Figures, str, Figures]]]:
    reference = group.dense()
    curve = {row.cell.sparsity: row for row in group.curve(after=False)}
    before = {f"{sparsity:.0%}": (sparsity, against(row, reference)) for sparsity, row in curve.items()}
    upto = {title: figure for title, (sparsity, figure) in before.items() if sparsity <= 0.6}
    beyond = {title: figure for title, (sparsity, figure) in before.items() if sparsity > 0.6}
    # The claim is about 60%, whatever else was run.
    yield "before", (upto if "60%" in upto else {**upto, "60%": None}, "", beyond)
    yield "after", ({"50%": against(group.pruned(0.5, after=True), reference)}, "")
    pairs = {row: group.pruned(row.cell.sparsity, after=True) for row in curve.values() if row.cell.sparsity >= 0.7}
    yield "steadier", ({f"{row.cell.sparsity:.0%}": against(row, after) for row, after in pairs.items()}, "")


def parameters(result: CellResult) -> float:
    return result.parameters


def size(result: CellResult) -> float:
    return result.artifact_bytes


def f1(result: CellResult) -> float:
    return result.scores["test"].f1


def distillation(groups: Sequence[Group]) -> Iterator[tuple[str, tuple[Figures, str]]]:
    """The students of all teachers, each against its own.

    Losses are judged only for students of the claimed size: one as large as its teacher loses nothing.
    """
    taught = [group for group in groups if group.variants("distilled")]
    teacher = {row: group.dense() for group in taught for row in group.variants("distilled")}
    bases = Counter(group.base for group in taught)

    def title(row: Row) -> str:
        name = f"`{row.cell.base}`" if bases[row.cell.base] == 1 else f"`{row.cell.base}` ({row.cell.base_digest[:12]})"
        return f"{row.cell.technique}, of {name}" if bases.total() > 1 else row.cell.technique

    def named(rows: Sequence[Row], value: Callable[[CellResult], float]) -> Figures:
        return {title(row): change(row, teacher[row], value) for row in rows}

    yield "student size", (named(list(teacher), parameters), "%")
    small = [
        row for row, dense in teacher.items() if (smaller := change(row, dense, parameters)) and smaller.mean < -22.0
    ]
    best = best_on_dev(small)
    yield "best student", (named([best] if best else [], f1), "%")
    yield "worst student", (named(small, f1), "%")


def best_on_dev(rows: Sequence[Row]) -> Row | None:
    """Chosen on dev, so that the choice does not flatter its score on test, by the languages and seeds that all have.

    Otherwise, a row with a single seed could be chosen only because that seed is a good one for every row.
    """
    scores = {row: row.scores("dev") for row in rows}
    shared = set.intersection(*(set(some) for some in scores.values())) if rows else set()
    return max(rows, key=lambda row: fsum(scores[row][pair] for pair in shared), default=None)


def change(row: Row | None, reference: Row | None, value: Callable[[CellResult], float]) -> Estimate | None:
    return row.change(reference, value) if row and reference else None


def teachers(groups: Sequence[Group]) -> Iterator[tuple[str, tuple[Figures, str]]]:
    """Compare the largest and the smallest teacher by their best students."""
    taught = [(dense, group) for group in groups if (dense := group.dense()) and group.variants("distilled")]
    taught.sort(key=lambda pair: pair[0].parameters)
    better: Figures = {}
    kept: Figures = {}
    if len(taught) > 1 and taught[0][0].parameters != taught[-1][0].parameters:
        teacher, large_teacher = taught[0][0], taught[-1][0]
        student, large_student = (best_on_dev(group.variants("distilled")) for _, group in (taught[0], taught[-1]))
        assert student
        assert large_student
        small_base, large_base = teacher.cell.base, large_teacher.cell.base
        better = {f"best of `{large_base}` minus best of `{small_base}`": large_student.difference(student)}
        shares = retained(student, teacher), retained(large_student, large_teacher)
        title = f"retained from `{small_base}` minus from `{large_base}`"
        kept = {title: compare(*shares, lambda mine, theirs: mine - theirs)}
    yield "large teacher", (better, "")
    yield "small teacher", (kept, "%")


def retained(student: Row, teacher: Row) -> dict[Pair, float]:
    """The student's F1 in percent of the teacher's."""
    mine, theirs = student.scores(), teacher.scores()
    return {pair: 100 * mine[pair] / theirs[pair] for pair in mine.keys() & theirs.keys() if theirs[pair]}


def quantization(group: Group) -> Iterator[tuple[str, tuple[Figures, str] | tuple[Figures, str, Figures]]]:
    reference = group.dense()
    rows = {row.cell.variant: row for row in group.variants("int8", "dynamic")}
    values: tuple[tuple[str, Callable[[CellResult], float]], ...] = (
        ("int8 size", size),
        ("int8 loss", f1),
    )
    int8 = rows.get("int8")
    for name, value in values:
        yield name, ({"": change(int8, reference, value)}, "%")
    yield "int8 time", ({"": int8.slowdown(reference) if int8 and reference else None}, "%")
    yield (
        "int8 or dynamic",
        (
            {"int8 minus dynamic": against(rows.get("int8"), rows.get("dynamic"))},
            "",
            {"dynamic minus dense": against(rows.get("dynamic"), reference)},
        ),
    )


def unseen_languages(group: Group) -> Iterator[tuple[str, tuple[Figures, str] | tuple[Figures, str, Figures]]]:
    """The paper's figure is about its own three languages.

    Languages in which the dense model finds almost nothing are left out of the claims about pruning.
    """
    reference = group.dense("crosslingual")
    names = [name for name in reference.tests if name not in ("dev", "test")] if reference else []
    found = {name: reference.f1(name) for name in names} if reference else {}
    papers = {name: figure for name, figure in found.items() if name in UNSEEN}
    yield "unseen", (papers, "", {name: figure for name, figure in found.items() if name not in papers})
    cases = [name for name in names if found[name].mean >= LITTLE]
    for claim, sparsity in (("unseen 50", 0.5), ("unseen 70", 0.7)):
        row = group.pruned(sparsity, after=False, tests="crosslingual")
        yield claim, ({name: against(row, reference, name) for name in cases} if row else {}, "")
