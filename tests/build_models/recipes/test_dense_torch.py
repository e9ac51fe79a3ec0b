"""The reference in plain PyTorch: built and served only when asked for."""

import numpy as np

from build_models.artifacts.scores import open_pipeline
from build_models.build import build
from service.artifacts.pool import VariantPool
from service.evaluation.conll import Sentence
from service.ner.pipeline import Pipeline
from service.runtimes.torch import TorchRuntime
from service.variants import VARIANTS
from tests.build_models.conftest import Built
from tests.build_models.readings import word_probabilities


def test_it_answers_as_dense_does(copy: Built, pipelines: dict[str, Pipeline], sentences: list[Sentence]) -> None:
    assert "dense-torch" not in VARIANTS
    assert not (copy.folder / "dense-torch").exists()
    (manifest,) = build(copy.settings, ["dense-torch"])
    settings = copy.settings
    pipeline = open_pipeline(
        copy.folder / "dense-torch", manifest.runtime, manifest.labels, settings.max_length, settings.overlap, 1
    )
    assert isinstance(pipeline.runtime, TorchRuntime)
    ours, theirs = (word_probabilities(model, sentences[::5]) for model in (pipeline, pipelines["dense"]))
    assert np.abs(ours - theirs).max() < 1e-3
    assert manifest.parameters == copy.manifests["dense"].parameters
    pool = VariantPool(copy.folder, 1, variants=["dense", "dense-torch"])
    pool.load()
    assert {slot.variant.name: slot.status for slot in pool}["dense-torch"] == "ready"
