"""Making the bundled model: killed in a stage, on a full disk, and from students that are averaged."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from build_models.bases.shapes import Shape
from build_models.bundled import make as making
from build_models.bundled import pieces
from build_models.bundled.export import check_model
from build_models.bundled.labelling import Agreement
from build_models.bundled.make import make
from build_models.bundled.settings import BundledSettings
from build_models.bundled.teaching import Lesson, average, teach
from build_models.workspace.workspace import Workspace
from service.evaluation.conll import Sentence, to_conll
from tests.build_models.bundled.corpus import write_corpus
from tests.tmpfs import tmpfs


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BundledSettings:
    """Settings with which the whole of it takes seconds."""
    monkeypatch.setattr(making, "LANGUAGES", ("hau", "yor"))
    monkeypatch.setattr(making, "ALL", ("hau", "yor"))
    random_state = random.Random(1)
    words = ["Kano", "Aisha", "yana", "zuwa", "gida", "kasuwa", "Bello", "ruwa", "Jos"]
    lines = [(" ".join(random_state.choices(words, k=8)), "NTREX") for _ in range(300)]
    corpus = write_corpus(tmp_path / "corpus", {"hau": lines, "yor": lines[:200]})
    for language in ("hau", "yor"):
        (tmp_path / "open" / language).mkdir(parents=True)
        sentences = [Sentence(language, ["Aisha", "yana", "Kano"], ["B-PER", "O", "B-LOC"])] * 20
        (tmp_path / "open" / language / "train.txt").write_text(to_conll(sentences), encoding="utf-8")
    lesson = Lesson(Shape(16, 1, 2, 16), vocabulary=300, seed=1, passes=1, sample=20)
    return BundledSettings(
        corpus,
        tmp_path / "open",
        tmp_path / "out",
        piece_lines=200,
        teachers=(lesson, replace(lesson, seed=2)),
        students=(lesson, replace(lesson, seed=3, dropout=0.1)),
        agreement=Agreement(confidence=0.0, most=20),
    )


STAGES = (
    "lines",
    "teacher-1",
    "teacher-2",
    "teacher-1-onnx",
    "teacher-2-onnx",
    "agreed",
    "student-1",
    "student-2",
    "student",
)


def test_a_making_that_is_killed_in_every_stage_goes_on(tiny: BundledSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    real, started = Workspace.stage, []

    def stage(self: Workspace, name: str, inputs: dict[str, object], run: Callable[[Path, Path], None]) -> Path:
        def killed_once(result: Path, state: Path) -> None:
            started.append(name)
            run(result, state)
            if started.count(name) == 1:
                raise KeyboardInterrupt

        return real(self, name, inputs, killed_once)

    monkeypatch.setattr(Workspace, "stage", stage)
    for _ in STAGES:
        with pytest.raises(KeyboardInterrupt):
            make(tiny)
        assert not (tiny.out / "model").exists()

    folder = make(tiny)

    assert started == [name for name in STAGES for _ in range(2)]
    check_model(folder)
    assert "CC-BY-SA-4.0" in (folder / "README.md").read_text(encoding="utf-8")
    assert make(tiny) == folder
    assert len(started) == 2 * len(STAGES)

    # Another model takes its place at once or not at all.
    before = (folder / "sha256.txt").read_text(encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(making, "write_card", killed)
        with pytest.raises(KeyboardInterrupt):
            make(replace(tiny, outside_bias=1.0))
    check_model(folder)
    assert (folder / "sha256.txt").read_text(encoding="utf-8") == before
    make(replace(tiny, outside_bias=1.0))
    check_model(folder)
    assert (folder / "sha256.txt").read_text(encoding="utf-8") != before


def test_pieces_that_were_learnt_by_half_are_learnt_again(
    tiny: BundledSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences = [Sentence("hau", ["Aisha", "yana", "Kano"], ["B-PER", "O", "B-LOC"])] * 20
    texts = ["Aisha yana zuwa Kano", "Bello yana gida Jos"] * 100
    result, state = tmp_path / "result", tmp_path / "state"
    result.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(pieces, "FORMS", "nowhere/forms.json")
        with pytest.raises(FileNotFoundError):
            teach("a model", tiny.students[0], sentences, texts, result, state)
    assert (state / "tokenizer" / "tokenizer.json").exists()
    teach("a model", tiny.students[0], sentences, texts, result, state)
    assert {"model.safetensors", "forms.json"} <= {path.name for path in result.iterdir()}


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_disk_that_is_full_is_named(tiny: BundledSettings, tmp_path: Path) -> None:
    with tmpfs(tmp_path / "small", "200k") as folder:
        with pytest.raises(OSError, match="No space left"):
            make(replace(tiny, out=folder / "out"))
        assert not (folder / "out" / "model").exists()


def test_students_are_averaged(tmp_path: Path) -> None:
    for number, value in enumerate((1.0, 2.0)):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "config.json").write_text("{}", encoding="utf-8")
        weights = {"classifier.bias": torch.full((9,), value), "other": torch.full((2, 2), value)}
        save_file(weights, tmp_path / str(number) / "model.safetensors")
    result = tmp_path / "result"
    result.mkdir()

    average([tmp_path / "0", tmp_path / "1"], 0.5, result)

    made = load_file(result / "model.safetensors")
    assert made["classifier.bias"].tolist() == [1.0, *[1.5] * 8]
    assert made["other"].tolist() == [[1.5, 1.5], [1.5, 1.5]]
    assert (result / "config.json").read_text(encoding="utf-8") == "{}"
