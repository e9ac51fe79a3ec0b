from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.evaluation.scoring import count
from service.evaluation.tally import WORDS_AT_ONCE, Spans, count_entities
from service.ner.decoding import entity_spans
from service.ner.pipeline import run_to_end

LABELS = ["O", *(f"{prefix}-{name}" for prefix in "BI" for name in ("PER", "LOC"))]
GOLD, VARIANT, REFERENCE = 1, 2, 4
Sentences = list[tuple[list[str], list[str], list[str]]]
sentences = st.lists(
    st.integers(1, 9).flatmap(
        lambda size: st.tuples(*[st.lists(st.sampled_from(LABELS), min_size=size, max_size=size)] * 3)
    ),
    min_size=1,
    max_size=8,
)


def found(labelled: Sentences) -> Counter[tuple[int, str, int]]:
    """How many entities there are by sentence, type and finders."""
    spans = Spans(LABELS)
    bounds = np.cumsum([0, *(len(gold) for gold, _, _ in labelled)])
    words = [
        np.array([LABELS.index(label) for sentence in labelled for label in sentence[who]], dtype=np.uint16)
        for who in range(3)
    ]
    entities = run_to_end(count_entities(spans, bounds, words))
    types = [spans.types[place] for place in entities.types]
    return Counter(zip(entities.sentences.tolist(), types, entities.finders.tolist(), strict=True))


def by_hand(labelled: Sentences) -> Counter[tuple[int, str, int]]:
    expected: Counter[tuple[int, str, int]] = Counter()
    for number, sentence in enumerate(labelled):
        spans = [set(entity_spans(labels)) for labels in sentence]
        for span in set().union(*spans):
            finders = sum(1 << who for who, some in enumerate(spans) if span in some)
            expected[number, span.label, finders] += 1
    return expected


@settings(max_examples=200, deadline=None)
@given(sentences)
def test_it_counts_as_the_build_does(labelled: Sentences) -> None:
    entities = found(labelled)
    assert entities == by_hand(labelled)
    for number, (gold, variant, _) in enumerate(labelled):
        mine = Counter({key[2]: 0 for key in entities})
        for (place, _, finders), many in entities.items():
            if place == number:
                mine[finders] += many
        right = sum(many for finders, many in mine.items() if finders & GOLD and finders & VARIANT)
        predicted = sum(many for finders, many in mine.items() if finders & VARIANT)
        expected = sum(many for finders, many in mine.items() if finders & GOLD)
        assert (right, predicted, expected) == count(gold, variant)


@pytest.mark.parametrize("length", [1, 7, WORDS_AT_ONCE - 1, WORDS_AT_ONCE, 3 * WORDS_AT_ONCE + 5])
def test_more_words_than_go_into_a_step(length: int) -> None:
    """Sentences end where a step does, before it, and long after it."""
    names = np.random.default_rng(length).choice(LABELS, (3, 4 * WORDS_AT_ONCE)).tolist()
    labelled: Sentences = []
    for first in range(0, len(names[0]), length):
        gold, variant, reference = (labels[first : first + length] for labels in names)
        labelled.append((gold, variant, reference))
    assert found(labelled) == by_hand(labelled)


def test_an_entity_ends_with_its_sentence() -> None:
    labelled = [(["B-PER"], ["B-PER"], ["O"]), (["I-PER"], ["I-PER"], ["O"])]
    assert found(labelled) == {(0, "PER", GOLD | VARIANT): 1}


def test_no_entities_at_all() -> None:
    assert found([(["O"], ["O"], ["I-PER"])]) == {}
