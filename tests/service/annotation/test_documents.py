"""A document's answer is that of ``/ner``."""

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.annotation.documents import Limits, annotate, at_least, parse, split_sentence, split_text
from service.annotation.errors import Problem
from service.ner.pipeline import Entity, Result
from service.ner.words import split_words
from service.variants import VARIANTS
from tests.fakes import TEXTS
from tests.service.annotation.tricky import TRICKY
from tests.service.conftest import Service


@pytest.mark.anyio
@pytest.mark.parametrize("variant", VARIANTS)
async def test_the_answer_is_that_of_ner(service: Service, variant: str) -> None:
    pipeline = service.engine.pool.get(variant)
    for text in TRICKY:
        expected = (await service.ner({"text": text}, variant)).json()["results"][0]
        found = annotate(pipeline, text, Limits())
        assert [entity._asdict() for entity in found.entities] == expected["entities"], text
    for words in [text.split() for text in TRICKY] + [["", "Kano", " "], []]:
        expected = (await service.ner({"tokens": [words]}, variant)).json()["results"][0]
        found = annotate(pipeline, words, Limits())
        assert {"entities": [entity._asdict() for entity in found.entities], "labels": found.labels} == expected


def test_entities_below_the_score_are_left_out_with_their_labels() -> None:
    entities = [Entity("PER", "A B", 0, 2, 0.9), Entity("LOC", "C", 2, 3, 0.5), Entity("LOC", "D E", 3, 5, 0.7)]
    result = Result(entities, ["B-PER", "I-PER", "B-LOC", "B-LOC", "I-LOC", "O"])
    assert at_least(result, 0.6) == Result([entities[0], entities[2]], ["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O"])
    assert at_least(result, 0.8) == Result(entities[:1], ["B-PER", "I-PER", "O", "O", "O", "O"])
    assert at_least(result, 0.5) == result


def test_a_long_document_is_refused_or_read_in_parts(service: Service) -> None:
    pipeline = service.engine.pool.get("dense")
    text = "leo Nairobi. " * 30 + "leo"
    with pytest.raises(Problem, match="393 characters are more than the 100 of one document: pass --too-long split"):
        annotate(pipeline, text, Limits(max_characters=100))
    whole, parts = annotate(pipeline, text, Limits()), annotate(pipeline, text, Limits(0.0, 100, True))
    assert [(entity.text, entity.start, entity.end) for entity in parts.entities] == [
        (entity.text, entity.start, entity.end) for entity in whole.entities
    ]
    assert parts.labels == whole.labels
    words = text.split()
    assert annotate(pipeline, words, Limits(0.0, 50, True)).labels == annotate(pipeline, words, Limits()).labels


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab \n.።")), st.integers(1, 9))
def test_parts_make_up_the_text(text: str, most: int) -> None:
    whole = [text[word.start : word.end] for word in split_words(text)]
    if any(len(word) > most for word in whole):
        with pytest.raises(Problem, match="cannot be split"):
            list(split_text(text, most))
        return
    parts = list(split_text(text, most))
    assert [part[word.start : word.end] for _, part in parts for word in split_words(part)] == whole
    assert "".join(part for _, part in parts) == text
    assert all(text[start : start + len(part)] == part and len(part) <= most for start, part in parts)
    words = text.split(" ")
    pieces = list(split_sentence(words, most))
    assert [word for _, piece in pieces for word in piece] == words
    assert all(words[start : start + len(piece)] == piece for start, piece in pieces)
    assert all(len(" ".join(piece)) <= most or len(piece) == 1 for _, piece in pieces)


def test_a_text_is_cut_between_paragraphs_rather_than_words() -> None:
    assert [part for _, part in split_text("Kano. Jos na\n\nAba na Ife", 18)] == ["Kano. Jos na\n\n", "Aba na Ife"]
    assert [part for _, part in split_text("Kano na. Aba na Ife", 14)] == ["Kano na. ", "Aba na Ife"]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b'{"text": ', "not JSON: EOF"),
        (b'["Kano"]', 'not a JSON object; expected one such as {"text": "…"}'),
        (b'{"body": "Kano", "id": 1}', "no field 'text'; its fields are 'body', 'id': choose one with --field"),
        (b'{"text": null}', "the field 'text' is neither a text nor a list of words"),
        (b'{"text": ["Kano", 1]}', "the field 'text' is neither a text nor a list of words"),
        (b'{"text": "\\ud800"}', "not JSON"),
        (b'{"text": "Kano", "n": NaN}', "not JSON"),
        (b'{"text": "Caf\xe9"}', "not UTF-8 at byte 14"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "not JSON: recursion limit exceeded"),
    ],
)
def test_what_is_no_document_is_named(payload: bytes, said: str) -> None:
    with pytest.raises(Problem) as raised:
        parse(payload, "text")
    assert said in str(raised.value)


def test_fields_are_kept() -> None:
    fields = {"text": "Kano", "id": 2**70, "nested": {"a": [1.5, None, True]}}
    assert parse(json.dumps(fields).encode(), "text") == (fields, "Kano")
    assert unicodedata.is_normalized("NFC", TEXTS[0])
