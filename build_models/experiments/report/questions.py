"""The questions that the paper leaves open, with what the results say about them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from build_models.experiments.calibration import Calibration
from build_models.experiments.report.figures import Pair, Row, compare, over_languages
from build_models.experiments.report.groups import Group
from build_models.experiments.report.inference import Estimate
from build_models.experiments.report.languages import sparsity_by_language
from build_models.experiments.report.plots import plot_calibration, plot_int8, plot_noise
from build_models.experiments.report.verdicts import against, best_on_dev, change, f1, retained, text

NOT_NOISE = ("dev", "test")


def questions(groups: Sequence[Group], folder: Path) -> Iterator[str]:
    """Sections on the first of the comparable groups; each only if its cells were run."""
    main = groups[0]
    yield from sparsity_by_language(main, folder)
    yield from teaching(groups)
    yield from languages_without_fine_tuning(main)
    yield from noise(main, folder)
    yield from one_model_of_all(main)
    yield from calibration(main, folder)
    yield from int8(main, folder)


def teaching(groups: Sequence[Group]) -> Iterator[str]:
    taught = [(dense, group) for group in groups if (dense := group.dense()) and group.variants("distilled")]
    if len(taught) < 2:
        return
    yield "## Does the smaller teacher teach better?"
    yield ""
    yield "| teacher | its F1 | best student (by dev) | the student's F1 | retained, % | student minus teacher |"
    yield "|---|--:|---|--:|--:|--:|"
    for teacher, group in sorted(taught, key=lambda pair: pair[0].parameters):
        student = best_on_dev(group.variants("distilled"))
        assert student
        yield (
            f"| `{teacher.cell.base}`, {teacher.parameters / 1e6:.2f} M | {text(teacher.f1(), sign='')} |"
            f" {student.cell.technique} | {text(student.f1(), sign='')} |"
            f" {text(over_languages(retained(student, teacher)), sign='')} | {text(against(student, teacher))} |"
        )
    yield ""


def languages_without_fine_tuning(group: Group) -> Iterator[str]:
    reference = group.dense("crosslingual")
    others = [row for row in group.tested("crosslingual") if row is not reference]
    if reference is None or not others:
        return
    names = [name for name in reference.tests if name not in NOT_NOISE]
    yield "## Does compression help in languages without fine-tuning?"
    yield ""
    yield (
        "Difference from dense in each language that the models were not fine-tuned on, averaged over the languages"
        " that they were fine-tuned on. eng, por and hrv are of another family than those of the paper. They have no"
        " dates, and neither has zho."
    )
    yield ""
    yield f"| | {' | '.join(names)} |"
    yield "|---|" + "--:|" * len(names)
    yield f"| dense, F1 | {' | '.join(text(reference.f1(name), sign='') for name in names)} |"
    for row in others:
        yield f"| {row.cell.technique} | {' | '.join(text(against(row, reference, name)) for name in names)} |"
    yield ""


def noise(group: Group, folder: Path) -> Iterator[str]:
    rows = [*group.tested("robustness"), *group.trained_with_noise()]
    reference = group.dense("robustness")
    if reference is None or len(rows) < 2:
        return
    names = [name for name in reference.tests if name not in NOT_NOISE]
    yield "## Does compression make models less robust to noise?"
    yield ""
    yield "What noise costs, in F1: the score with noise minus that without, by model."
    yield ""
    yield f"| | {' | '.join(names)} |"
    yield "|---|" + "--:|" * len(names)
    for row in rows:
        clean = row.scores()
        costs = [
            over_languages({pair: value - clean[pair] for pair, value in row.scores(name).items()}) for name in names
        ]
        yield f"| {row.cell.technique} | {' | '.join(map(text, costs))} |"
    yield ""
    plot_noise(rows, names, folder / "noise.svg")
    yield "![F1 with noise](noise.svg)"
    yield ""


def one_model_of_all(group: Group) -> Iterator[str]:
    """Models of all languages beside those of one language each."""
    rows = group.of_all_languages()
    alone = {row.cell.variant: row for row in group.variants("dense", "dynamic")}
    if not rows or not alone:
        return
    yield "## One model of all languages, or one of each?"
    yield ""
    yield "| | one model, F1 | one of each, F1 | difference |"
    yield "|---|--:|--:|--:|"
    for row in rows:
        if other := alone.get(row.cell.variant):
            yield (
                f"| {row.cell.variant} | {text(row.f1(), sign='')} | {text(other.f1(), sign='')} |"
                f" {text(against(row, other))} |"
            )
    yield ""


def calibration(group: Group, folder: Path) -> Iterator[str]:
    rows = [row for row in group.tested("own") if any(result.calibration for result in row.results)]
    if len(rows) < 2:
        return
    yield "## Are scores still calibrated after compression?"
    yield ""
    yield (
        "Of the entities that a model finds in the test split: their mean score, the share of them that is right, the"
        " difference of the two (overconfidence), and the expected calibration error in ten bins."
    )
    yield ""
    columns = (
        "score, %",
        "right, %",
        "overconfidence, points",
        "minus that of dense",
        "expected calibration error, points",
    )
    yield f"| | {' | '.join(columns)} |"
    yield "|---|" + "--:|" * len(columns)
    dense = excess_of(reference) if (reference := group.dense()) else {}
    sure: dict[str, Estimate] = {}
    for row in rows:
        score, right = measured(row, "score"), measured(row, "right")
        excess = excess_of(row)
        sure[row.cell.technique] = over_languages(excess)
        change_from_dense = compare(excess, dense, lambda mine, theirs: mine - theirs)
        against_dense = "" if row is reference else text(change_from_dense)
        error = over_languages({pair: 100 * value for pair, value in measured(row, "error").items()})
        means = (100 * fmean(score.values()), 100 * fmean(right.values()))
        yield (
            f"| {row.cell.technique} | {means[0]:.1f} | {means[1]:.1f} | {text(sure[row.cell.technique])} |"
            f" {against_dense} |"
            f" {text(error, sign='')} |"
        )
    yield ""
    plot_calibration(sure, folder / "calibration.svg")
    yield "![Overconfidence](calibration.svg)"
    yield ""


def excess_of(row: Row) -> dict[Pair, float]:
    """By how many points the mean score exceeds the share that is right, by language and seed."""
    score, right = measured(row, "score"), measured(row, "right")
    return {pair: 100 * (score[pair] - right[pair]) for pair in score}


def measured(row: Row, name: str) -> dict[tuple[str, int], float]:
    found: list[tuple[tuple[str, int], Calibration | None]] = [
        ((result.cell.language, result.cell.seed), result.calibration) for result in row.results
    ]
    return {pair: float(getattr(some, name)) for pair, some in found if some}


def int8(group: Group, folder: Path) -> Iterator[str]:
    rows, reference = group.int8_settings(), group.dense()
    if not rows or reference is None:
        return
    yield "## Can LLM.int8()'s loss of 4.7% be produced at all?"
    yield ""
    yield (
        "At a threshold of 0, no activation is an exception; *classifier too* leaves no linear layer in 16 bits. In the"
        " models with outliers, one feature of every attention is so many times as large, as in the large models that"
        " LLM.int8() was made for, and the answers in 32 bits are the same."
    )
    yield ""
    yield "| | change of F1, % | difference in F1 |"
    yield "|---|--:|--:|"
    found = {row.cell.technique: change(row, reference, f1) for row in rows}
    for row in rows:
        yield f"| {row.cell.technique} | {text(found[row.cell.technique], '%')} | {text(against(row, reference))} |"
    yield ""
    plot_int8({name: some for name, some in found.items() if some}, folder / "int8.svg")
    yield "![What LLM.int8() loses](int8.svg)"
    yield ""
