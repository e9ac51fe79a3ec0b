"""The paper's claims (arXiv 2404.04759) and the tests that decide them, fixed before the grid of ten languages ran."""

from typing import NamedTuple

from build_models.experiments.report.inference import Rule

MARGIN = 1.0
"""F1 points: differences below this do not matter."""

LITTLE = 2.0
"""Mean F1 in points under which a model has not learnt a language; what pruning does to it says nothing."""

CLOSE = Rule("between -1.0 and +1.0 (two one-sided tests)", low=-MARGIN, high=MARGIN, below=-MARGIN, above=MARGIN)
HIGHER = Rule("above 0; refuted below +1.0", low=0.0, below=MARGIN)
LOWER = Rule("below 0; refuted above -1.0", high=0.0, above=-MARGIN)


def at_least(line: float) -> Rule:
    return Rule(f"at least {line:g}%", low=line, below=line)


def within(low: float, high: float, unit: str = "%") -> Rule:
    return Rule(f"between {low:g} and {high:g}{unit}", low=low, high=high, below=low, above=high)


class Claim(NamedTuple):
    """A claim, the paper's figure, the figure that is tested, and the rule for it.

    With ``any_of`` one of several figures is enough, otherwise all must hold.
    """

    text: str
    paper: str
    figure: str
    rule: Rule
    any_of: bool = False


CLAIMS = {
    "before": Claim(
        "Magnitude pruning before fine-tuning stays close to dense up to 60% sparsity",
        "close up to 60%",
        "F1 minus dense, at each sparsity up to 60%",
        CLOSE,
    ),
    "after": Claim(
        "Pruning after fine-tuning stays close to dense at 50%", "up to about 50%", "F1 minus dense, at 50%", CLOSE
    ),
    "steadier": Claim(
        "From 70% sparsity on, pruning before fine-tuning is better than after",
        "more stable",
        "F1 before minus F1 after, at each sparsity from 70%",
        HIGHER,
    ),
    "student size": Claim(
        "A student has 22 to 31% fewer parameters",
        "-22 to -31%",
        "parameters against the teacher's, any student",
        within(-31.0, -22.0),
        any_of=True,
    ),
    "best student": Claim(
        "The best student at least 22% smaller loses at most 2% of F1",
        "-2%",
        "F1 against the teacher's, student with the best dev F1",
        at_least(-2.0),
    ),
    "worst student": Claim(
        "No student at least 22% smaller loses more than 7% of F1",
        "-7%",
        "F1 against the teacher's, each student",
        at_least(-7.0),
    ),
    "large teacher": Claim(
        "The largest teacher has the best student",
        "large",
        "F1 of its best student minus that of the smallest teacher's, best by dev F1",
        HIGHER,
    ),
    "small teacher": Claim(
        "The student of the smallest teacher retains more of its F1",
        "base",
        "share of F1 retained in %, minus that of the largest teacher's, best by dev F1",
        HIGHER,
    ),
    "int8 size": Claim(
        "LLM.int8() is about 64% smaller (54 to 74%)", "504 → 181 MB, -64%", "bytes against dense", within(-74.0, -54.0)
    ),
    "int8 time": Claim(
        "LLM.int8() takes about 52% less time per text (42 to 62%; here on a CPU)",
        "-52%",
        "median time per text against dense",
        within(-62.0, -42.0),
    ),
    "int8 loss": Claim(
        "LLM.int8() loses about 4.7% of F1 (2.7 to 6.7%)", "-4.7%", "F1 against dense", within(-6.7, -2.7)
    ),
    "int8 or dynamic": Claim(
        "LLM.int8() has a higher F1 than dynamic quantization", "better", "F1 minus that of dynamic", HIGHER
    ),
    "unseen": Claim(
        "Languages without fine-tuning: dense has F1 40 to 60",
        "F1 40 to 60",
        "F1 in each of fon, bam, zho",
        within(40.0, 60.0, ""),
    ),
    "unseen 50": Claim(
        "Languages without fine-tuning: pruned 50% is competitive",
        "competitive",
        "F1 minus dense, in each language in which dense has F1 2 or more",
        CLOSE,
    ),
    "unseen 70": Claim(
        "Languages without fine-tuning: pruned 70% is lower",
        "lower",
        "F1 minus dense, in each language in which dense has F1 2 or more",
        LOWER,
    ),
}


def claims_table() -> str:
    """The claims and their tests as a Markdown table."""
    rows = [
        f"| {claim.text} | {claim.figure} | {claim.rule.words}{', one is enough' if claim.any_of else ''} |"
        for claim in CLAIMS.values()
    ]
    return "\n".join(["| claim | figure | confirmed if |", "|---|---|---|", *rows])
