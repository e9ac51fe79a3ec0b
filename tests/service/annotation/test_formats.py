"""Output formats, read by what reads them; spaCy and Label Studio's own package are in tests/e2e/test_consumers.py."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import seqeval.metrics

from service.annotation.documents import Answer, Content, Limits, annotate
from service.annotation.errors import AnnotationError, Problem
from service.annotation.formats import FORMATS
from service.annotation.inputs.records import Reading, read_file
from service.ner.pipeline import Entity, Result
from tests.service.annotation.tricky import TRICKY
from tests.service.conftest import Service

MODEL = "dense 0123456789ab"
WORDS = [["rais", "William", "Ruto", "leo"], ["Nairobi"], []]


@pytest.fixture
def answers(service: Service) -> list[Answer]:
    pipeline = service.engine.pool.get("dense")
    contents: list[Content] = [*TRICKY, *WORDS]
    return [
        Answer({"id": number, "text": content}, content, annotate(pipeline, content, Limits()))
        for number, content in enumerate(contents)
    ]


def written(form: str, answers: list[Answer]) -> bytes:
    """The file, as a run writes it."""
    chosen = FORMATS[form]
    parts = [part for answer in answers if (part := chosen.render(answer, MODEL))]
    return chosen.header + chosen.separator.join(parts) + chosen.footer


def test_every_tricky_text_is_worth_it(answers: list[Answer]) -> None:
    assert sum(len(answer.result.entities) for answer in answers) > 50


def test_spans_are_places_in_the_text(answers: list[Answer]) -> None:
    for answer in answers:
        assert [answer.text[start:end] for _, start, end in answer.spans] == [
            entity.text for entity in answer.result.entities
        ]


def test_json_lines(answers: list[Answer]) -> None:
    lines = written("jsonl", answers).decode().split("\n")
    assert lines.pop() == ""
    for answer, line in zip(answers, lines, strict=True):
        found = json.loads(line)
        assert (found["id"], found["text"], found["variant"]) == (answer.fields["id"], answer.content, "dense")
        assert found["entities"] == [entity._asdict() for entity in answer.result.entities]
        assert found.get("labels") == (answer.result.labels if isinstance(answer.content, list) else None)


def test_seqeval_and_the_project_s_reader_read_the_columns(answers: list[Answer], tmp_path: Path) -> None:
    data = written("conll", answers)
    sentences = [
        [line.split(" ") for line in block.split("\n")] for block in data.decode().split("\n\n") if block.strip()
    ]
    labels = [[label for _, label in sentence] for sentence in sentences]
    entities = seqeval.metrics.sequence_labeling.get_entities(labels)
    expected = [entity.label for answer in answers for entity in answer.result.entities]
    assert [label for label, _, _ in entities] == expected
    assert seqeval.metrics.f1_score(labels, labels, mode="strict", scheme=seqeval.scheme.IOB2) == 1.0
    path = tmp_path / "a.conll"
    path.write_bytes(data)
    words = [json.loads(record.payload)["tokens"] for record in read_file(path, "a", Reading())]
    assert sum(map(len, words)) >= sum(map(len, sentences)) - 4, "-DOCSTART- and # text = of a tricky text are no words"


def test_a_paragraph_is_a_sentence_unless_an_entity_goes_on() -> None:
    text = "leo Addis\nAbaba\nna"
    answer = Answer({}, text, Result([Entity("LOC", "Addis\nAbaba", 4, 15, 1.0)], ["O", "B-LOC", "I-LOC", "O"]))
    assert FORMATS["conll"].render(answer, MODEL) == b"leo O\nAddis B-LOC\nAbaba I-LOC\n\nna O\n\n"


@pytest.mark.parametrize("word", ["", "a b", "a\nb", "\u2028"])
def test_a_word_that_columns_cannot_hold_is_named(word: str) -> None:
    with pytest.raises(Problem, match=r"word 1 is .*, which CoNLL columns cannot hold"):
        FORMATS["conll"].render(Answer({}, ["leo", word], Result([], ["O", "O"])), MODEL)


def check_task(task: dict[str, Any]) -> None:
    """A task as Label Studio's documentation defines it for import, predictions being labels of a text."""
    assert set(task) == {"data", "predictions"}
    assert isinstance(task["data"]["text"], str)
    for prediction in task["predictions"]:
        assert set(prediction) == {"model_version", "score", "result"}
        assert isinstance(prediction["model_version"], str)
        assert 0 <= prediction["score"] <= 1
        identifiers = [region["id"] for region in prediction["result"]]
        assert len(set(identifiers)) == len(identifiers)
        for region in prediction["result"]:
            assert (region["from_name"], region["to_name"], region["type"]) == ("label", "text", "labels")
            value = region["value"]
            assert set(value) == {"start", "end", "text", "labels"}
            assert task["data"]["text"][value["start"] : value["end"]] == value["text"] != ""
            assert [type(label) for label in value["labels"]] == [str]
            assert 0 <= region["score"] <= 1


def test_label_studio_s_tasks(answers: list[Answer]) -> None:
    tasks = json.loads(written("label-studio", answers))
    assert len(tasks) == len(answers)
    for task, answer in zip(tasks, answers, strict=True):
        check_task(task)
        assert len(task["predictions"][0]["result"]) == len(answer.result.entities)
        assert task["data"]["id"] == answer.fields["id"]
    assert json.loads(written("label-studio", [])) == []


def test_tokens_for_spacy_make_up_the_text(answers: list[Answer]) -> None:
    for line, answer in zip(io.BytesIO(written("spacy", answers)), answers, strict=True):
        found = json.loads(line)
        pairs = list(zip(found["tokens"], found["spaces"], strict=True))
        assert "".join(token + " " * space for token, space in pairs) == answer.text
        assert all(token for token, _ in pairs), "spaCy has no empty token"
        spans = [
            ("".join(token + " " * space for token, space in pairs[start:end]).removesuffix(" " * pairs[end - 1][1]))
            for start, end, _ in found["entities"]
        ]
        assert spans == [entity.text for entity in answer.result.entities]


def test_a_docbin_knows_its_further_files(tmp_path: Path) -> None:
    form, output = FORMATS["spacy"], tmp_path / "a.b.spacy"
    for name in ("a.b.spacy", "a.b-2.spacy", "a.b-3.spacy", "a.b-5.spacy", "a.spacy"):
        (tmp_path / name).touch()
    assert [path.name for path in form.further_files(output)] == ["a.b-2.spacy", "a.b-3.spacy"]
    assert form.first_of("a.b-12.spacy") == ("a.b.spacy", 12)
    assert not any(map(form.first_of, ("a.b.spacy", "a.b-x.spacy", "a-1.spacy", "a-02.spacy")))
    assert FORMATS["jsonl"].first_of("a-2.jsonl") is None


def test_a_number_that_is_no_json_is_a_problem(answers: list[Answer]) -> None:
    answers[0].fields["score"] = float("inf")
    with pytest.raises(Problem, match="cannot be written as JSON"):
        written("jsonl", answers)


def test_without_spacy_its_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(AnnotationError, match="--format spacy needs spaCy, which is not installed: pip install spacy"):
        FORMATS["spacy"].check()
