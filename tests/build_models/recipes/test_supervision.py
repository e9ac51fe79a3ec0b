"""What a given classifier learns from texts: which are left out, and labels that survive a kill."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from build_models.data.datasets import Dataset
from build_models.recipes import supervision
from build_models.recipes.supervision import label_texts, without_held_out
from build_models.workspace.workspace import Workspace
from service.evaluation.conll import Sentence


def sentence(text: str) -> Sentence:
    return Sentence("hau", text.split(), ["O"] * len(text.split()))


def test_sentences_of_dev_and_test_are_not_learnt_from(capsys: pytest.CaptureFixture[str]) -> None:
    labelled = Dataset("data", [sentence("Ya isa Kano .")], [sentence("Ta tafi Jos .")], [sentence("Sun koma Zaria !")])
    texts = Dataset("texts", [sentence("ta tafi Jos."), sentence("Ya isa Kano.")], [sentence("SUN KOMA ZARIA")], [])
    kept = without_held_out(texts, labelled)
    assert [some.words for some in kept.train] == [["Ya", "isa", "Kano."]]
    assert kept.dev == kept.test == []
    assert "left out 2 sentences that are in dev or test of data" in capsys.readouterr().err


def test_labelling_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labelled: list[list[str]] = []

    def label(pipeline: object, sentences: Iterable[list[str]], fail_at: int | None = None) -> Iterator[list[str]]:
        for words in sentences:
            if words == fails:
                raise KeyboardInterrupt
            labelled.append(words)
            yield ["O"] * len(words)

    fails: list[str] | None = ["text", "5"]
    monkeypatch.setattr(supervision, "label_sentences", label)
    monkeypatch.setattr(supervision, "SENTENCES_AT_ONCE", 2)
    monkeypatch.setattr(supervision, "exported", lambda *_: tmp_path)
    monkeypatch.setattr(supervision, "open_pipeline", lambda *_: None)
    settings: Any = SimpleNamespace(max_length=64, overlap=16, threads=1)
    source: Any = SimpleNamespace(head=(["O"], "IOB2"), digest="digest", folder=tmp_path)
    texts = Dataset("texts", [sentence(f"text {number}") for number in range(8)], [sentence("dev")], [])
    with pytest.raises(KeyboardInterrupt):
        label_texts(settings, source, texts, Workspace(tmp_path / ".work"))
    assert len(labelled) == 5
    (part,) = (tmp_path / ".work").glob(".texts.*/train-0.json")
    part.write_text(part.read_text()[:5])
    fails = None
    labelled.clear()
    found = label_texts(settings, source, texts, Workspace(tmp_path / ".work"))
    # The first part was cut short and is labelled again; the second was kept.
    assert [words[-1] for words in labelled] == ["0", "1", "4", "5", "6", "7", "dev"]
    assert found == texts
