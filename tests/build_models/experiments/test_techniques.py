"""What the techniques that only experiments use do to a model."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForTokenClassification

from build_models.build import build_variant, open_context
from build_models.data.loading import load_data
from build_models.experiments.cells import DATA_SEED
from build_models.experiments.outliers import inflated
from build_models.recipes.context import Context
from build_models.recipes.pruned import prunable
from build_models.settings import BuildSettings, DistillationSettings, FinetuneSettings
from build_models.workspace.shared import SharedWorkspace
from tests.build_models.experiments.conftest import SENTENCES


@pytest.fixture(scope="module")
def context(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("techniques")
    settings = BuildSettings(
        must_learn=False,
        out=folder / "out",
        base=str(base),
        languages=("hau",),
        seed=3,
        finetune=FinetuneSettings(epochs=1, learning_rate=3e-3, hidden_share=0.0),
        threads=1,
    )
    dataset = load_data(None, ["hau"], None, DATA_SEED, SENTENCES)
    return open_context(settings, dataset, SharedWorkspace(folder / "stages"))


def weights_of(context: Context, variant: str) -> AutoModelForTokenClassification:
    """The checkpoint that the last build of a variant left in the shared workspace."""
    (folder,) = context.workspace.folder.glob(f"{variant}-*/{variant}")
    return AutoModelForTokenClassification.from_pretrained(folder)


@pytest.mark.parametrize("recovery", [0, 1])
def test_pruning_after_fine_tuning(context: Context, recovery: int, tmp_path: Path) -> None:
    own = replace(
        context,
        settings=replace(context.settings, sparsity=0.5, prune_after=True, recovery_epochs=recovery),
        workspace=SharedWorkspace(tmp_path),
    )
    manifest = build_variant("pruned", own, own.settings.threads)
    assert manifest.parent == "dense"
    dense, pruned = (list(prunable(weights_of(own, name), embeddings=False)) for name in ("dense", "pruned"))
    zeros = sum(int((weight == 0).sum()) for weight in pruned) / sum(weight.numel() for weight in pruned)
    assert zeros == pytest.approx(0.5, abs=0.001)
    kept = [torch.equal(after[after != 0], before[after != 0]) for before, after in zip(dense, pruned, strict=True)]
    assert all(kept) if recovery == 0 else not any(kept)


def test_task_agnostic_distillation(context: Context, corpus: Path, tmp_path: Path) -> None:
    distillation = DistillationSettings(layers=1, heads=2, agnostic_steps=2, corpus=corpus)
    own = replace(
        context,
        settings=replace(context.settings, distillation=distillation),
        workspace=SharedWorkspace(tmp_path),
    )
    manifest = build_variant("distilled", own, own.settings.threads)
    assert manifest.parent == "student"
    student = weights_of(own, "distilled")
    assert (student.config.num_hidden_layers, student.config.num_attention_heads) == (1, 2)
    assert not list(tmp_path.glob("dense-*")), "no teacher is fine-tuned for it"


def test_outliers_change_activations_and_no_answer(context: Context, tmp_path: Path) -> None:
    own = replace(context, workspace=SharedWorkspace(tmp_path))
    folder = inflated(own, 50.0)
    before, after = weights_of(own, "dense"), AutoModelForTokenClassification.from_pretrained(folder)
    pieces = torch.arange(4, 60)[None]
    with torch.inference_mode():
        torch.testing.assert_close(before(pieces).logits, after(pieces).logits, rtol=1e-3, atol=1e-4)
    value = "roberta.encoder.layer.0.attention.self.value.weight"
    torch.testing.assert_close(after.state_dict()[value][0], 50 * before.state_dict()[value][0])


@pytest.mark.parametrize("classifier", [False, True])
def test_the_classifier_in_eight_bits(context: Context, classifier: bool, tmp_path: Path) -> None:
    settings = replace(context.settings, int8_classifier=classifier, out=tmp_path / "out")
    own = replace(context, settings=settings, workspace=SharedWorkspace(tmp_path))
    build_variant("int8", own, own.settings.threads)
    weights = load_file(tmp_path / "out" / "int8" / "model.safetensors")
    assert weights["roberta.encoder.layer.0.attention.self.query.weight"].dtype == torch.int8
    assert (weights["classifier.weight"].dtype == torch.int8) == classifier
