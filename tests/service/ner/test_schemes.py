"""Schemes of labels: recognized, converted, and decoded by the one decoder, compared with a search of every path."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.ner.decoding import LabelScheme, entity_spans
from service.ner.pipeline import log_softmax, run_to_end
from service.ner.schemes import SCHEMES, Scheme, from_iob2, iob2_labels, scheme_of

LABELS: dict[Scheme, list[str]] = {
    "IOB2": ["I-PER", "O", "B-PER", "B-LOC", "I-LOC"],
    "IOB1": ["O", "I-PER", "B-PER", "I-LOC"],
    "IO": ["PER", "O", "LOC"],
    "BILOU": ["O", "U-PER", "B-PER", "I-PER", "L-PER", "U-LOC", "B-LOC", "I-LOC", "L-LOC"],
    "IOBES": ["O", "S-PER", "B-PER", "I-PER", "E-PER", "B-LOC", "I-LOC", "E-LOC", "S-LOC"],
}
SENTENCES = st.lists(
    st.sampled_from([["O"], ["B-PER"], ["B-PER", "I-PER"], ["B-LOC", "I-LOC", "I-LOC"]]), min_size=1, max_size=6
).map(lambda parts: [label for part in parts for label in part])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_scheme_is_recognized(scheme: Scheme) -> None:
    assert scheme_of(LABELS[scheme]) == scheme


@pytest.mark.parametrize(
    ("labels", "scheme"),
    [
        (["O", "I-PER", "I-LOC"], "IO"),
        (["b-PER", "i-PER", "o"], "IOB2"),
        (["PER_B", "PER_I", "O"], "IOB2"),
        (["O", "B-PER", "I-PER", "B-DATE"], "IOB2"),
        (["O", "B-E-MAIL", "I-E-MAIL"], "IOB2"),
    ],
)
def test_spellings_of_labels(labels: list[str], scheme: Scheme) -> None:
    assert scheme_of(labels) == scheme


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (["LABEL_0", "LABEL_1"], "no O"),
        (["NOUN", "VERB"], "no O"),
        (["B-PER", "I-PER"], "no O"),
        (["O", "B-PER", "I-PER", "LOC"], "not a list of IOB2 labels: LOC"),
        (["O", "I-PER", "LOC"], "some labels have a prefix and some have none: LOC"),
        (["O", "B-PER", "I-PER", "B-PER"], "labels that mean the same: B-PER"),
        (["O", "B-PER", "b-PER", "I-PER"], "labels that mean the same: B-PER, b-PER"),
    ],
)
def test_what_is_no_scheme(labels: list[str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        scheme_of(labels)


def one_hot(sentence: list[str], labels: list[str]) -> np.ndarray:
    scores = np.full((len(sentence), len(labels)), -5.0)
    scores[range(len(sentence)), [labels.index(label) for label in sentence]] = 5.0
    return log_softmax(scores.astype(np.float32))


@pytest.mark.parametrize("scheme", ["IOB2", "IOB1", "BILOU", "IOBES"])
@given(sentence=SENTENCES)
def test_iob2_goes_into_a_scheme_and_comes_back(scheme: Scheme, sentence: list[str]) -> None:
    labels = LABELS[scheme] if scheme != "IOB1" else [*LABELS[scheme], "B-LOC"]
    decoder = LabelScheme(labels, scheme=scheme)
    path = run_to_end(decoder.best_path(one_hot(from_iob2(sentence, labels, scheme), labels)))
    assert [decoder.labels[place] for place in path] == sentence


def test_io_joins_neighbours_of_one_type_and_nothing_else() -> None:
    labels = LABELS["IO"]
    decoder = LabelScheme(labels, scheme="IO")
    converted = from_iob2(["B-PER", "B-PER", "B-LOC", "O", "B-PER"], labels, "IO")
    assert converted == ["PER", "PER", "LOC", "O", "PER"]
    path = run_to_end(decoder.best_path(one_hot(converted, labels)))
    assert [decoder.labels[place] for place in path] == ["B-PER", "I-PER", "B-LOC", "O", "B-PER"]


def test_i_begins_an_entity_in_iob1() -> None:
    decoder = LabelScheme(LABELS["IOB1"], scheme="IOB1")
    path = run_to_end(decoder.best_path(one_hot(["O", "I-PER", "I-PER", "B-PER", "I-LOC"], LABELS["IOB1"])))
    assert [decoder.labels[place] for place in path] == ["O", "B-PER", "I-PER", "B-PER", "B-LOC"]


def test_a_mark_that_the_labels_lack_is_the_nearest_that_they_have() -> None:
    adjacent = ["B-PER", "I-PER", "B-PER", "B-LOC"]
    assert from_iob2(adjacent, ["O", "I-PER", "B-LOC", "I-LOC"], "IOB1") == ["I-PER", "I-PER", "I-PER", "I-LOC"]
    bilou = ["O", "B-DATE", "I-DATE", "L-DATE"]
    assert from_iob2(["B-DATE", "O", "B-DATE", "I-DATE"], bilou, "BILOU") == ["B-DATE", "O", "B-DATE", "L-DATE"]


def test_a_type_that_the_labels_have_not() -> None:
    with pytest.raises(ValueError, match="no label for B-ORG"):
        from_iob2(["O", "B-ORG"], LABELS["BILOU"], "BILOU")


def is_bilou(path: list[str]) -> bool:
    """By the definition: entities are U, or B, any I of its type and an L of its type."""
    open_type = None
    for label in path:
        place, name = label[:1], label[2:]
        if (place in "IL" and open_type != name) or (place in "OUB" and open_type is not None):
            return False
        open_type = name if place in "BI" else None
    return open_type is None


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), words=st.integers(1, 4))
def test_bilou_paths_are_the_best_of_all_valid_ones(seed: int, words: int) -> None:
    labels = LABELS["BILOU"][:5]
    scores = log_softmax(np.random.default_rng(seed).normal(size=(words, len(labels))).astype(np.float32))
    valid = [path for path in product(range(len(labels)), repeat=words) if is_bilou([labels[i] for i in path])]
    best = max(valid, key=lambda path: sum(scores[word, label] for word, label in enumerate(path)))
    decoder = LabelScheme(labels, scheme="BILOU")
    found = [decoder.labels[place] for place in run_to_end(decoder.best_path(scores))]
    expected = [{"U": "B", "L": "I"}.get(labels[i][0], labels[i][0]) + labels[i][1:] for i in best]
    assert found == expected


@pytest.mark.parametrize("scheme", SCHEMES)
@given(seed=st.integers(0, 10**6), words=st.integers(1, 9))
def test_answers_are_strict_iob2_whatever_the_scheme(scheme: Scheme, seed: int, words: int) -> None:
    scores = log_softmax(np.random.default_rng(seed).normal(size=(words, len(LABELS[scheme]))).astype(np.float32))
    decoder = LabelScheme(LABELS[scheme], scheme=scheme)
    names = [decoder.labels[place] for place in run_to_end(decoder.best_path(scores))]
    covered = sum(span.last - span.first + 1 for span in entity_spans(names))
    assert covered == sum(name != "O" for name in names)


def test_the_score_of_a_word_is_that_of_its_type_whatever_the_scheme() -> None:
    labels = LABELS["BILOU"][:5]
    scores = log_softmax(np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32))
    decoder = LabelScheme(labels, scheme="BILOU")
    path = run_to_end(decoder.best_path(scores))
    outside = np.exp(scores[:, 0])
    expected = np.where(np.array([decoder.labels[place] == "O" for place in path]), outside, 1 - outside)
    assert np.allclose(decoder.type_probabilities(scores, path), expected)


def test_iob2_labels_of_iob2_keep_their_order() -> None:
    assert iob2_labels(LABELS["IOB2"], "IOB2") == LABELS["IOB2"]
