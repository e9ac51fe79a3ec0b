import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2

from service.evaluation.scoring import NOTHING, Counts, count, score

LABELS = ["O", *(f"{prefix}-{name}" for prefix in "BI" for name in ("PER", "LOC"))]
pairs = st.integers(0, 12).flatmap(
    lambda size: st.tuples(*[st.lists(st.sampled_from(LABELS), min_size=size, max_size=size)] * 2)
)


def test_one_sentence_by_hand() -> None:
    gold = ["B-PER", "I-PER", "O", "B-LOC", "O", "B-ORG"]
    predicted = ["B-PER", "I-PER", "O", "B-ORG", "O", "O"]
    counts = count(gold, predicted)
    # Right: PER 0-1. Predicted: PER 0-1, ORG 3. Gold: PER 0-1, LOC 3, ORG 5.
    assert counts == Counts(correct=1, predicted=2, gold=3)
    assert counts.precision == 1 / 2
    assert counts.recall == pytest.approx(1 / 3)
    # 2 * (1/2 * 1/3) / (1/2 + 1/3) = (1/3) / (5/6) = 2/5
    assert counts.f1 == pytest.approx(2 / 5)


@pytest.mark.parametrize(
    ("gold", "predicted", "counts"),
    [
        (["B-PER", "I-PER"], ["B-PER", "O"], Counts(0, 1, 1)),
        (["B-PER", "I-PER"], ["B-PER", "B-PER"], Counts(0, 2, 1)),
        (["B-PER"], ["I-PER"], Counts(0, 0, 1)),
        (["O"], ["B-PER"], Counts(0, 1, 0)),
        ([], [], NOTHING),
    ],
    ids=["shorter", "split", "inside without begin", "extra", "empty"],
)
def test_what_counts(gold: list[str], predicted: list[str], counts: Counts) -> None:
    assert count(gold, predicted) == counts


def test_nothing_to_find_and_nothing_found_scores_zero() -> None:
    assert (NOTHING.precision, NOTHING.recall, NOTHING.f1) == (0.0, 0.0, 0.0)


def test_sentences_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 gold labels, 1 predicted"):
        count(["O", "O"], ["O"])


def test_scores_by_hand() -> None:
    scores = score(
        [
            ("hau", ["B-PER", "O"], ["B-PER", "O"]),  # 1 right of 1 predicted, 1 gold
            ("hau", ["B-LOC", "O"], ["O", "B-LOC"]),  # 0 right of 1 predicted, 1 gold
            ("amh", ["O", "B-ORG"], ["B-ORG", "B-ORG"]),  # 1 right of 2 predicted, 1 gold
        ]
    )
    # Micro: 2 right, 4 predicted, 3 gold.
    assert (scores.precision, scores.recall) == (2 / 4, pytest.approx(2 / 3))
    assert scores.f1 == pytest.approx(2 * 2 / (4 + 3))
    # hau: 2*1/(2+2); amh: 2*1/(2+1).
    assert scores.languages == {"amh": pytest.approx(2 / 3), "hau": 1 / 2}
    assert list(scores.languages) == ["amh", "hau"]
    assert (scores.sentences, scores.entities) == (3, 3)


@settings(max_examples=150, deadline=None)
@given(st.lists(pairs, min_size=1, max_size=5))
def test_the_figures_are_those_of_seqeval(sentences: list[tuple[list[str], list[str]]]) -> None:
    gold, predicted = [pair[0] for pair in sentences], [pair[1] for pair in sentences]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns of divisions by zero
        theirs = [
            function(gold, predicted, mode="strict", scheme=IOB2, average="micro", zero_division=0)
            for function in (precision_score, recall_score, f1_score)
        ]
    scores = score(("hau", *pair) for pair in sentences)
    assert [scores.precision, scores.recall, scores.f1] == pytest.approx(theirs, abs=1e-12)
