"""Every gold entity is right or has one mistake; a spurious entity overlaps none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.figures.mistakes import MistakeTally, mistakes_of
from service.ner.decoding import entity_spans

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
pairs = st.integers(0, 12).flatmap(
    lambda size: st.tuples(*[st.lists(st.sampled_from(LABELS), min_size=size, max_size=size)] * 2)
)


def kinds(gold: str, predicted: str) -> list[str]:
    mistakes = mistakes_of(entity_spans(gold.split()), entity_spans(predicted.split()))
    return [f"{mistake.kind} {mistake.span.label}" for mistake in mistakes]


@pytest.mark.parametrize(
    ("gold", "predicted", "found"),
    [
        ("B-PER I-PER O", "B-PER I-PER O", []),
        ("B-PER I-PER O", "O O O", ["missed PER"]),
        ("O O O", "O B-LOC O", ["spurious LOC"]),
        ("B-PER I-PER O", "B-PER O O", ["wrong_border PER"]),
        ("B-PER I-PER O", "B-PER B-PER O", ["wrong_border PER"]),
        ("B-PER I-PER O", "B-LOC I-LOC O", ["wrong_type PER"]),
        ("B-PER I-PER O", "B-LOC O O", ["wrong_type PER"]),
        ("B-PER I-PER O", "B-LOC B-PER O", ["wrong_border PER"]),
        ("B-PER B-LOC O", "B-PER I-PER O", ["wrong_border PER", "wrong_type LOC"]),
        ("B-PER O B-LOC", "O B-PER B-LOC", ["missed PER", "spurious PER"]),
    ],
)
def test_by_hand(gold: str, predicted: str, found: list[str]) -> None:
    assert kinds(gold, predicted) == found


@given(pairs)
def test_every_gold_entity_is_right_or_has_one_mistake(pair: tuple[list[str], list[str]]) -> None:
    gold, predicted = (entity_spans(labels) for labels in pair)
    mistakes = mistakes_of(gold, predicted)
    wrong = [mistake.span for mistake in mistakes if mistake.kind != "spurious"]
    assert wrong == [span for span in gold if span not in predicted]
    words = {word for span in gold for word in range(span.first, span.last + 1)}
    apart = [span for span in predicted if not words & set(range(span.first, span.last + 1))]
    assert [mistake.span for mistake in mistakes if mistake.kind == "spurious"] == apart
    for mistake in mistakes:
        assert (mistake.found is None) == (mistake.kind in ("missed", "spurious"))


def test_counts_by_label_and_language() -> None:
    tally = MistakeTally()
    for language, gold, predicted in (("hau", "B-PER O", "O B-LOC"), ("swa", "B-PER O", "O O"), ("", "O", "B-LOC")):
        tally.add(language, mistakes_of(entity_spans(gold.split()), entity_spans(predicted.split())))
    answer = tally.answer(["LOC", "PER"], ["hau", "swa"])
    assert (answer.missed, answer.spurious, answer.wrong_border, answer.wrong_type) == (2, 2, 0, 0)
    assert {label: (counts.missed, counts.spurious) for label, counts in answer.labels.items()} == {
        "LOC": (0, 2),
        "PER": (2, 0),
    }
    assert {language: (counts.missed, counts.spurious) for language, counts in answer.languages.items()} == {
        "hau": (1, 1),
        "swa": (1, 0),
    }
