import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.scheme import IOB2, Entities

from service.decoding import EntitySpan, entity_spans, to_iob2

LABELS = ["O", *(f"{prefix}-{name}" for prefix in "BI" for name in ("PER", "LOC", "ORG"))]
sequences = st.lists(st.sampled_from(LABELS), max_size=20)
thorough = settings(max_examples=300, deadline=None)


@pytest.mark.parametrize(
    ("labels", "valid"),
    [
        ([], []),
        (["I-PER"], ["B-PER"]),
        (["O", "I-PER", "I-PER"], ["O", "B-PER", "I-PER"]),
        (["B-PER", "I-LOC", "I-LOC"], ["B-PER", "B-LOC", "I-LOC"]),
        (["I-PER", "I-LOC", "I-PER"], ["B-PER", "B-LOC", "B-PER"]),
        (["B-PER", "O", "I-PER"], ["B-PER", "O", "B-PER"]),
        (["B-PER", "B-PER", "I-PER"], ["B-PER", "B-PER", "I-PER"]),
    ],
)
def test_an_inside_that_continues_nothing_begins(labels: list[str], valid: list[str]) -> None:
    assert to_iob2(labels) == valid


@thorough
@given(sequences)
def test_made_valid_is_valid(labels: list[str]) -> None:
    previous = "O"
    for label in to_iob2(labels):
        assert not label.startswith("I-") or previous in (f"B-{label[2:]}", label)
        previous = label


@thorough
@given(sequences)
def test_making_valid_changes_only_prefixes_and_only_once(labels: list[str]) -> None:
    valid = to_iob2(labels)
    assert [label[2:] for label in valid] == [label[2:] for label in labels]
    assert to_iob2(valid) == valid


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
