import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from seqeval.scheme import IOB2, Entities

from build_models.artifacts.transitions import count_transitions
from service.ner.decoding import EntitySpan, LabelScheme, entity_spans
from service.ner.pipeline import run_to_end
from service.ner.transitions import Transitions
from service.ner.words import WORDS_AT_ONCE

LABELS = ["O", *(f"{prefix}-{name}" for prefix in "BI" for name in ("PER", "LOC", "ORG"))]
sequences = st.lists(st.sampled_from(LABELS), max_size=20)
thorough = settings(max_examples=300, deadline=None)


def is_valid(labels: list[str]) -> bool:
    return all(
        not label.startswith("I-") or (before != "O" and before[2:] == label[2:])
        for before, label in itertools.pairwise(["O", *labels])
    )


def decode(log_probabilities: np.ndarray, labels: list[str]) -> list[str]:
    return [labels[choice] for choice in run_to_end(LabelScheme(labels).best_path(log_probabilities))]


def test_a_lone_inside_becomes_what_is_most_probable_of_what_is_allowed() -> None:
    labels = ["O", "B-PER", "I-PER"]
    # The second word prefers I-PER, which may not follow O. Allowed: O O 0.6*0.1, O B 0.6*0.3, B I 0.4*0.6 = 0.24.
    probabilities = np.array([[0.6, 0.4, 0.0], [0.1, 0.3, 0.6]])
    with np.errstate(divide="ignore"):
        assert decode(np.log(probabilities), labels) == ["B-PER", "I-PER"]


def test_an_inside_of_another_type_is_not_taken() -> None:
    labels = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    # B-PER I-LOC is greedy and invalid. B-PER I-PER 0.7*0.2 = 0.14 beats B-LOC I-LOC 0.2*0.5 and B-PER O 0.7*0.1.
    probabilities = np.array([[0.05, 0.2, 0.0, 0.7, 0.05], [0.1, 0.1, 0.5, 0.1, 0.2]])
    with np.errstate(divide="ignore"):
        assert decode(np.log(probabilities), labels) == ["B-PER", "I-PER"]


SMALL = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


@thorough
@given(arrays(np.float64, st.tuples(st.integers(0, 5), st.just(len(SMALL))), elements=st.floats(-10, 0)))
def test_the_best_path_is_the_best_of_all_valid_ones(scores: np.ndarray) -> None:
    path = run_to_end(LabelScheme(SMALL).best_path(scores))
    chosen = [SMALL[choice] for choice in path]
    assert is_valid(chosen)
    every = itertools.product(range(len(SMALL)), repeat=len(scores))
    best = max(
        sum(scores[word, choice] for word, choice in enumerate(one))
        for one in every
        if is_valid([SMALL[choice] for choice in one])
    )
    assert sum(scores[word, choice] for word, choice in enumerate(path)) == pytest.approx(best)


def logarithms(*shape: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, shape, elements=st.floats(-10, 0))


@thorough
@given(
    arrays(np.float64, st.tuples(st.integers(0, 4), st.just(len(SMALL))), elements=st.floats(-10, 0)),
    logarithms(len(SMALL)),
    logarithms(len(SMALL), len(SMALL)),
    st.floats(0, 2),
)
def test_the_best_path_weighs_scores_and_transitions(
    scores: np.ndarray, first: np.ndarray, following: np.ndarray, weight: float
) -> None:
    transitions = Transitions(labels=SMALL, weight=weight, first=first.tolist(), following=following.tolist())
    path = run_to_end(LabelScheme(SMALL, transitions).best_path(scores))
    assert is_valid([SMALL[choice] for choice in path])

    def total(choices: Sequence[int]) -> float:
        steps = sum(following[before, after] for before, after in itertools.pairwise(choices))
        begin = first[choices[0]] if choices else 0.0
        return float(sum(scores[word, choice] for word, choice in enumerate(choices)) + weight * (begin + steps))

    every = itertools.product(range(len(SMALL)), repeat=len(scores))
    best = max(total(one) for one in every if is_valid([SMALL[choice] for choice in one]))
    assert total([int(choice) for choice in path]) == pytest.approx(best)


def test_a_name_of_two_words_is_not_split_where_names_seldom_touch() -> None:
    labels = ["O", "B-PER", "I-PER"]
    scores = np.log([[0.02, 0.97, 0.01], [0.02, 0.55, 0.43], [0.98, 0.01, 0.01]])
    assert decode(scores, labels) == ["B-PER", "B-PER", "O"]
    transitions = count_transitions([["B-PER", "I-PER", "O", "O", "B-PER", "O"]] * 10, labels, weight=0.7)
    path = run_to_end(LabelScheme(labels, transitions).best_path(scores))
    assert [labels[choice] for choice in path] == ["B-PER", "I-PER", "O"]


def test_transitions_are_the_logarithms_of_what_was_counted() -> None:
    labels = ["O", "B-PER", "I-PER"]
    counted = count_transitions([["O", "B-PER"], ["B-PER", "I-PER", "O"], []], labels, weight=0.5)
    # One more than counted, of: O 1, B-PER 1, I-PER 0; after O: B-PER 1; after B-PER: I-PER 1; after I-PER: O 1.
    assert np.exp(counted.first) == pytest.approx([2 / 5, 2 / 5, 1 / 5], abs=1e-5)
    assert np.exp(counted.following) == pytest.approx(
        np.array([[1 / 4, 2 / 4, 1 / 4], [1 / 4, 1 / 4, 2 / 4], [2 / 4, 1 / 4, 1 / 4]]), abs=1e-5
    )


def test_a_long_sequence_is_decoded_in_steps_and_as_well() -> None:
    words = 5 * WORDS_AT_ONCE
    scores = np.random.default_rng(7).normal(0, 3, (words, len(SMALL)))
    steps, path = LabelScheme(SMALL).best_path(scores), None
    taken = 0
    while path is None:
        try:
            next(steps)
            taken += 1
        except StopIteration as stop:
            path = stop.value
    assert taken >= 2 * 4, "forth and back"
    assert is_valid([SMALL[choice] for choice in path])
    # The recurrence over values alone: the best that any valid sequence can have.
    allowed = np.array([[not b.startswith("I-") or a[2:] == b[2:] for b in SMALL] for a in SMALL])
    best = np.where([not label.startswith("I-") for label in SMALL], scores[0], -np.inf)
    for row in scores[1:]:
        best = np.where(allowed, best[:, None], -np.inf).max(axis=0) + row
    assert scores[np.arange(words), path].sum() == pytest.approx(best.max())


@pytest.mark.parametrize("labels", [["B-PER", "I-PER"], ["O", "PER"], ["O", "B-"], []])
def test_a_list_that_is_not_iob2_is_refused(labels: list[str]) -> None:
    with pytest.raises(ValueError, match="IOB2"):
        LabelScheme(labels)


@pytest.mark.parametrize(
    ("labels", "spans"),
    [
        ([], []),
        (["O", "O"], []),
        (["B-PER", "I-PER", "O", "B-LOC"], [EntitySpan("PER", 0, 1), EntitySpan("LOC", 3, 3)]),
        (["B-PER", "B-PER"], [EntitySpan("PER", 0, 0), EntitySpan("PER", 1, 1)]),
        (["I-PER", "I-PER"], []),
        (["B-PER", "I-LOC", "I-PER"], [EntitySpan("PER", 0, 0)]),
        (["O", "I-LOC", "B-LOC", "I-LOC"], [EntitySpan("LOC", 2, 3)]),
    ],
)
def test_entities_by_strict_iob2(labels: list[str], spans: list[EntitySpan]) -> None:
    assert entity_spans(labels) == spans


@thorough
@given(sequences)
def test_the_entities_are_those_of_seqeval(labels: list[str]) -> None:
    theirs = [(entity.tag, entity.start, entity.end - 1) for entity in Entities([labels], IOB2).entities[0]]
    assert [tuple(span) for span in entity_spans(labels)] == theirs
