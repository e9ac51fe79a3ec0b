"""The model card says each figure as what it is, and what is not known."""

from pathlib import Path

from huggingface_hub import ModelCard

from build_models.bases.source import Source
from build_models.recipes.card import card
from service.artifacts.manifest import Manifest, Scores
from service.variants import VARIANTS
from tests.build_models.conftest import Built

AGREEMENT = Scores(f1=0.97, precision=0.98, recall=0.96, sentences=120, entities=240, languages={})


def test_every_artefact_has_one(built: Built) -> None:
    for variant in VARIANTS:
        manifest = built.manifests[variant]
        assert "README.md" in manifest.files
        read = ModelCard.load(built.folder / variant / "README.md")
        assert read.data.library_name == ("transformers" if variant == "int8" else "onnx")
        assert read.data.license == "other"
        assert read.data.base_model is None
        assert "Strict IOB2 micro F1 against the labels of bundled sample (hau, swa)" in read.text
        assert f"| test | swa | {manifest.metrics['test'].languages['swa']:.4f} |" in read.text
        assert f"{manifest.parameters:,} parameters" in read.text
        assert "Trained from random weights: subject to the terms of the data" in read.text
        assert str(built.folder.parent) not in read.content


def changed(built: Built, variant: str, **changes: object) -> Manifest:
    return built.manifests[variant].model_copy(update=changes)


def test_agreement_is_not_called_f1(built: Built) -> None:
    manifest = changed(built, "dynamic", metrics={}, agreement={"test": AGREEMENT})
    source = Source(Path(), "somebody/ner", "c0ffee", licence="cc-by-4.0", on_hub=True)
    read = ModelCard(card(built.folder / "dynamic", manifest, source))
    assert read.data.eval_results is None
    assert read.data.base_model_relation == "quantized"
    assert "Agreement with the uncompressed variant `dense`" in read.text
    assert "| test | all | 0.9700 |" in read.text
    assert "`cc-by-4.0` by its model card" in read.text


def test_nothing_measured_and_no_licence(built: Built) -> None:
    manifest = changed(built, "dense", metrics={}, agreement={}, data=None, languages=[])
    read = ModelCard(card(built.folder / "dense", manifest, Source(Path(), "ner", None)))
    assert "Nothing was measured: it was made without data." in read.text
    assert "a licence that it does not state" in read.text
    assert read.data.license == "other"
    known = Source(Path(), "somebody/ner", None, licence="mit", on_hub=True)
    assert ModelCard(card(built.folder / "dense", manifest, known)).data.license == "mit"
