"""A classifier that is taken as it is: what variants learn from, and what is measured, with data, texts and neither."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from safetensors.torch import load_file

from build_models.artifacts.scores import open_artifact
from build_models.build import build, of_this_build, show
from build_models.errors import BuildError, DataError
from build_models.settings import BuildSettings, FinetuneSettings
from build_models.workspace.replaced import DATA
from service.artifacts.manifest import Manifest
from service.evaluation.conll import Sentence, to_conll
from service.ner.pipeline import label_sentences
from service.variants import VARIANTS
from tests.build_models.classifiers import change_json, write_classifier
from tests.build_models.conftest import Built

VARIANTS_MADE = ["dense", "pruned", "distilled", "dynamic", "distilled-dynamic", "pocket"]


def settings_for(model: Path, out: Path, **changes: object) -> BuildSettings:
    settings = BuildSettings(
        model=str(model),
        out=out,
        model_scheme="IOB2",
        max_length=64,
        overlap=16,
        dynamic_timed=False,
        finetune=FinetuneSettings.of_given(),
    )
    return replace(settings, **changes)  # type: ignore[arg-type]


def made(settings: BuildSettings, names: list[str]) -> dict[str, Manifest]:
    return {manifest.variant: manifest for manifest in build(settings, names)}


@pytest.fixture(scope="module")
def texts(built: Built, tmp_path_factory: pytest.TempPathFactory, sentences: list[Sentence]) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    lines = [" ".join(sentence.words) for sentence in sentences]
    (folder / "swa.txt").write_text("\n".join([*lines, lines[0], ""]), encoding="utf-8")
    return folder / "swa.txt"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory, sentences: list[Sentence]) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    swahili = [sentence for sentence in sentences if sentence.language == "swa"]
    (folder / "swa").mkdir()
    for name, part in (("train", swahili[:100]), ("dev", swahili[100:120]), ("test", swahili[120:])):
        (folder / "swa" / f"{name}.txt").write_text(to_conll(part), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def by_texts(built: Built, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Manifest]]:
    out = tmp_path_factory.mktemp("by-texts")
    return out, made(settings_for(built.checkpoint("dense"), out, texts=texts), VARIANTS_MADE)


def test_texts_give_agreement_and_no_f1(by_texts: tuple[Path, dict[str, Manifest]]) -> None:
    out, manifests = by_texts
    for manifest in manifests.values():
        assert manifest.metrics == {}
        assert set(manifest.agreement) == {"dev", "test"}
        assert manifest.data is not None
        assert manifest.data.name == "texts of swa.txt"
        assert manifest.languages == []
    assert manifests["dense"].agreement["test"].f1 == 1.0
    assert 0.9 < manifests["dynamic"].agreement["test"].f1 <= 1.0
    # Texts labelled by a model are no test split to check accuracy on.
    assert not (out / DATA).exists()
    chosen = manifests["dynamic"].recipe.parameters["measured"]
    assert all("dev_agreement" in entry for entry in chosen)


def test_dense_is_the_model_as_it_was_given(by_texts: tuple[Path, dict[str, Manifest]], built: Built) -> None:
    given = load_file(built.checkpoint("dense") / "model.safetensors")
    taken = load_file(by_texts[0] / ".work" / "model" / "model.safetensors")
    assert all(taken[key].equal(value) for key, value in given.items())


def test_the_student_learns_the_teacher_and_recovery_helps(
    by_texts: tuple[Path, dict[str, Manifest]], built: Built, texts: Path, tmp_path: Path
) -> None:
    _, manifests = by_texts
    untaught = made(
        settings_for(built.checkpoint("dense"), tmp_path, texts=texts, recovery_epochs=0, sparsity=0.9), ["pruned"]
    )
    taught = made(
        settings_for(built.checkpoint("dense"), tmp_path, texts=texts, recovery_epochs=2, sparsity=0.9), ["pruned"]
    )
    assert untaught["pruned"].agreement["test"].f1 < taught["pruned"].agreement["test"].f1
    assert taught["pruned"].nonzero_parameters <= untaught["pruned"].nonzero_parameters
    assert manifests["distilled"].agreement["test"].f1 > 0.5


def test_labelled_data_give_f1(built: Built, labelled: Path, tmp_path: Path) -> None:
    manifests = made(settings_for(built.checkpoint("dense"), tmp_path, data=str(labelled)), ["dense", "distilled"])
    assert set(manifests["distilled"].metrics) == {"dev", "test"}
    assert manifests["distilled"].agreement == {}
    assert manifests["dense"].languages == ["swa"]
    assert (tmp_path / DATA / "swa.conll").exists()


def test_what_stays_of_another_build_is_named(
    built: Built, labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(settings_for(built.checkpoint("dense"), tmp_path, data=str(labelled)), ["dense"])
    made(settings_for(built.checkpoint("dense"), tmp_path, data=str(labelled)), ["int8"])
    assert "also holds" not in capsys.readouterr().err
    made(settings_for(built.checkpoint("dense"), tmp_path, languages=("swa",)), ["int8"])
    said = " ".join(capsys.readouterr().err.split())
    assert f"also holds dense (dense, {labelled.name} (swa)): not of the model and the data" in said
    assert "repeat its --base or --model and its --data or --texts" in said


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"digest": "another"}, False),
        ({"name": "another"}, False),
        ({"head": "given, not fine-tuned"}, False),
    ],
)
def test_a_variant_is_of_this_build_if_its_model_was_made_from_the_same(
    built: Built, change: dict[str, str], same: bool
) -> None:
    """A folder may hold another model under the same name, and a model can be taken as it is or fine-tuned."""
    dense = built.manifests["dense"]
    source = {"name": dense.base_model, "revision": dense.base_revision, "digest": dense.parent_digest, "head": None}
    context: Any = SimpleNamespace(
        source=SimpleNamespace(**{**source, **change}), supervision=SimpleNamespace(record=dense.data)
    )
    assert of_this_build(dense, context) == same
    # What is made of dense does not say which base that had.
    assert of_this_build(built.manifests["int8"], context) == (same or "digest" in change)


def test_neither_says_what_was_not_measured(
    built: Built, labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / DATA).mkdir()
    (tmp_path / DATA / "hau.conll").write_text("Kano B-LOC\n", encoding="utf-8")
    manifests = build(settings_for(built.checkpoint("dense"), tmp_path, languages=("swa",)), list(VARIANTS))
    assert [manifest.variant for manifest in manifests] == list(VARIANTS)
    for manifest in manifests:
        assert (manifest.metrics, manifest.agreement, manifest.data) == ({}, {}, None)
        _, pipeline = open_artifact(tmp_path / manifest.variant, 1)
        (labels,) = label_sentences(pipeline, [["Rais", "Kenyatta", "yuko", "Nairobi"]])
        assert len(labels) == 4
    # The test split of another build would be taken for this one's.
    assert not (tmp_path / DATA).exists()
    show(manifests)
    captured = capsys.readouterr()
    assert "neither --data nor --texts" in " ".join(captured.err.split())
    assert "Accuracy was not measured" in " ".join(captured.out.split())


def test_the_transitions_that_a_model_brings_are_kept(built: Built, texts: Path, tmp_path: Path) -> None:
    """The folder of an artefact of Kidogo is a checkpoint with transitions."""
    folder = built.checkpoint("dense")
    transitions = (built.folder / "dense" / "transitions.json").read_text(encoding="utf-8")
    given = tmp_path / "given"
    given.mkdir()
    for path in folder.iterdir():
        (given / path.name).write_bytes(path.read_bytes())
    (given / "transitions.json").write_text(transitions, encoding="utf-8")
    manifest = made(settings_for(given, tmp_path / "out", texts=texts), ["dense"])["dense"]
    assert json.loads((tmp_path / "out" / "dense" / "transitions.json").read_text("utf-8")) == json.loads(transitions)
    assert manifest.recipe.parameters["transition_weight"] == 0.6
    renamed = tuple(label.replace("DATE", "DAY") for label in manifest.labels)
    made(settings_for(given, tmp_path / "renamed", texts=texts, labels=renamed), ["dense"])
    kept = json.loads((tmp_path / "renamed" / "dense" / "transitions.json").read_text("utf-8"))
    assert kept == {**json.loads(transitions), "labels": list(renamed)}
    change_json(given / "transitions.json", labels=list(renamed))
    with pytest.raises(BuildError, match=r"is for the labels .*DAY.* Delete the file to do without"):
        made(settings_for(given, tmp_path / "foreign", texts=texts), ["dense"])
    (given / "transitions.json").write_text(transitions[:50], encoding="utf-8")
    with pytest.raises(BuildError, match=r"transitions.json cannot be read: .* Repair it, or delete it"):
        made(settings_for(given, tmp_path / "cut", texts=texts), ["dense"])


def test_types_that_the_model_has_not_are_refused_before_anything_is_written(labelled: Path, tmp_path: Path) -> None:
    write_classifier(tmp_path / "given", ("O", "B-PER", "I-PER"))
    settings = settings_for(tmp_path / "given", tmp_path / "out", data=str(labelled))
    with pytest.raises(DataError, match=r"has entities of the type DATE, LOC, ORG, which the model lacks \(it has PER"):
        build(settings, ["dense"])
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".work"]


def test_types_that_the_data_have_not_are_named(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ["O", *(f"{place}-{name}" for name in ("PER", "LOC", "ORG", "DATE", "LANGUAGE") for place in "BI")]
    write_classifier(tmp_path / "given", labels)
    build(settings_for(tmp_path / "given", tmp_path / "out", data=str(labelled)), ["dense"])
    assert "has no LANGUAGE: where the model finds one, it counts as wrong" in " ".join(capsys.readouterr().err.split())


def test_a_bilou_model_learns_and_answers(labelled: Path, tmp_path: Path) -> None:
    labels = ["O", *(f"{place}-{name}" for name in ("PER", "LOC", "ORG", "DATE") for place in "BILU")]
    write_classifier(tmp_path / "given", labels)
    settings = settings_for(tmp_path / "given", tmp_path / "out", data=str(labelled), model_scheme=None)
    manifests = made(settings, ["dense", "distilled"])
    assert manifests["dense"].scheme == "BILOU"
    assert manifests["distilled"].labels == labels
    _, pipeline = open_artifact(tmp_path / "out" / "distilled", 1)
    (answer,) = label_sentences(pipeline, [["Rais", "Uhuru", "Kenyatta", "alitembelea", "Nairobi"]])
    assert all(label == "O" or label[0] in "BI" for label in answer)


def test_too_few_texts_and_files_that_are_no_text(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("Rais yuko Nairobi\n" * 30, encoding="utf-8")
    (tmp_path / "texts" / "b.pdf").write_bytes(b"%PDF")
    settings = settings_for(built.checkpoint("dense"), tmp_path / "out", texts=tmp_path / "texts")
    with pytest.raises(DataError, match=r"holds 1 different texts; at least 20 are needed"):
        build(settings, ["dense"])
    assert "not used" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"does not exist: --texts takes a text file or a folder"):
        build(replace(settings, texts=tmp_path / "nowhere"), ["dense"])


def test_a_refused_model_leaves_nothing_half_written(tmp_path: Path) -> None:
    write_classifier(tmp_path / "given")
    change_json(tmp_path / "given" / "config.json", id2label={"0": "LABEL_0"})
    with pytest.raises(Exception, match="does not say what its labels mean"):
        build(settings_for(tmp_path / "given", tmp_path / "out"), ["dense"])
    assert not (tmp_path / "out" / "dense").exists()
    assert not (tmp_path / "out" / ".work" / "model").exists()
