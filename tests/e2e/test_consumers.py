"""spaCy and Label Studio's own package read the outputs, in environments of their own."""

import json
from pathlib import Path

import pytest

from service.annotation.command import main
from service.annotation.formats import docbin
from tests.e2e.environments import environment, run
from tests.service.annotation.tricky import TRICKY

pytestmark = pytest.mark.slow

CONTENTS = [*TRICKY, ["rais", "William", "Ruto"], ["Nairobi"], [], [""]]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{json.dumps({'text': content})}\n" for content in CONTENTS))
    return path


def expected(texts: Path, artifacts: Path) -> list[list[list[str]]]:
    out = texts.parent / "expected"
    assert main([str(texts), "--artifacts", str(artifacts), "--variant", "dynamic", "--out", str(out)]) == 0
    return [
        [[entity["label"], entity["text"]] for entity in json.loads(line)["entities"]]
        for line in (out / "a.jsonl").read_text().splitlines()
    ]


ANNOTATE = "import sys; from service.annotation.command import main; sys.exit(main(sys.argv[1:]))"

LOAD = """
import json, sys, spacy
from spacy.tokens import DocBin
from spacy.training import Corpus
docs = [doc for path in sys.argv[1:] for doc in DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab)]
assert len(list(Corpus(sys.argv[1])(spacy.blank("xx")))) > 0
print(json.dumps([[doc.text, [[span.label_, span.text] for span in doc.ents]] for doc in docs]))
"""


def test_spacy_loads_the_docbin(texts: Path, artifacts: Path, tmp_path: Path) -> None:
    python = environment("spacy", "spacy")
    arguments = [texts, "--artifacts", artifacts, "--variant", "dynamic", "--format", "spacy", "--out", tmp_path]
    run(python, ANNOTATE, *arguments)
    found = json.loads(run(python, LOAD, tmp_path / "a.spacy"))
    plain = [content if isinstance(content, str) else " ".join(content) for content in CONTENTS]
    assert [text.replace("\u200b", "") for text, _ in found] == [text.replace("\u200b", "") for text in plain]
    assert [entities for _, entities in found] == expected(texts, artifacts)


def test_many_documents_are_several_docbins(texts: Path, artifacts: Path, tmp_path: Path) -> None:
    python = environment("spacy", "spacy")
    few = f"from service.annotation.formats import docbin; docbin.DOCUMENTS = 10\n{ANNOTATE}"
    arguments = [texts, "--artifacts", artifacts, "--variant", "dynamic", "--format", "spacy", "--out", tmp_path]
    run(python, few, *arguments)
    paths = [
        tmp_path / "a.spacy",
        *(tmp_path / f"a-{number}.spacy" for number in range(2, 1 + -(-len(CONTENTS) // 10))),
    ]
    assert len(json.loads(run(python, LOAD, *paths))) == len(CONTENTS)
    assert docbin.DOCUMENTS > 10


VALIDATE = """
import json, sys
from label_studio_sdk.label_interface import LabelInterface
labels = "".join(f'<Label value="{label}"/>' for label in ("PER", "LOC", "ORG", "DATE"))
interface = LabelInterface(
    f'<View><Labels name="label" toName="text">{labels}</Labels><Text name="text" value="$text"/></View>'
)
tasks = json.load(open(sys.argv[1]))
for task in tasks:
    assert interface.validate_task({"data": task["data"]}), task
    for prediction in task["predictions"]:
        assert not interface.validate_prediction(prediction, return_errors=True), prediction
region = {"from_name": "no", "to_name": "text", "type": "labels", "value": {}}
broken = {**tasks[0]["predictions"][0], "result": [region]}
assert interface.validate_prediction(broken, return_errors=True)
print(len(tasks))
"""


def test_label_studio_s_own_checks_take_the_tasks(texts: Path, artifacts: Path, tmp_path: Path) -> None:
    arguments = ["--artifacts", artifacts, "--variant", "dynamic", "--format", "label-studio", "--out", tmp_path]
    assert main([str(argument) for argument in [texts, *arguments]]) == 0
    python = environment("label-studio", "label-studio-sdk")
    assert int(run(python, VALIDATE, tmp_path / "a.json")) == len(CONTENTS)
