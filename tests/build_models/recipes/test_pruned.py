import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import XLMRobertaConfig, XLMRobertaForTokenClassification

from build_models.build import build
from build_models.recipes.pruned import apply_masks, magnitude_masks, prunable
from build_models.training.finetune import load_classifier
from service.ner.pipeline import Pipeline
from tests.build_models.conftest import Built
from tests.build_models.readings import largest_difference

MATRICES_OF_A_LAYER = 6


def small_model(layers: int = 2) -> XLMRobertaForTokenClassification:
    torch.manual_seed(3)
    return XLMRobertaForTokenClassification(
        XLMRobertaConfig(
            vocab_size=53,
            hidden_size=12,
            num_hidden_layers=layers,
            num_attention_heads=2,
            intermediate_size=20,
            max_position_embeddings=40,
            num_labels=5,
        )
    )


def zeros(weights: list[torch.Tensor]) -> int:
    return sum(int((weight == 0).sum()) for weight in weights)


def test_exactly_the_target_is_zero_after_training(built: Built) -> None:
    model = load_classifier(built.checkpoint("pruned"), built.manifests["pruned"].labels)
    weights = list(prunable(model, embeddings=False))
    number = sum(weight.numel() for weight in weights)
    assert len(weights) == MATRICES_OF_A_LAYER * 2
    assert zeros(weights) == math.floor(0.6 * number)


def test_the_zeros_are_the_smallest_weights_of_the_base_and_the_rest_was_trained(built: Built) -> None:
    labels = built.manifests["pruned"].labels
    before = list(prunable(load_classifier(built.checkpoint("base"), labels), embeddings=False))
    after = list(prunable(load_classifier(built.checkpoint("pruned"), labels), embeddings=False))
    magnitudes = np.concatenate([weight.detach().numpy().ravel() for weight in before])
    gone = np.concatenate([weight.detach().numpy().ravel() for weight in after]) == 0
    assert np.abs(magnitudes[gone]).max() <= np.abs(magnitudes[~gone]).min()
    for old, new in zip(before, after, strict=True):
        assert (old[new != 0] != new[new != 0]).double().mean() > 0.99


def test_embeddings_and_head_are_not_pruned(built: Built) -> None:
    names = ("embeddings.word_embeddings", "embeddings.position_embeddings", "classifier")
    labels = built.manifests["pruned"].labels
    for name in names:
        pruned, dense = (
            next(
                weight
                for key, weight in load_classifier(built.checkpoint(stage), labels).named_parameters()
                if key.endswith(f"{name}.weight")
            )
            for stage in ("pruned", "dense")
        )
        # Positions begin with zeros outside their waves; pruning adds none.
        assert zeros([pruned]) == zeros([dense]), name
        assert name == "embeddings.position_embeddings" or zeros([pruned]) < 0.01 * pruned.numel()


def test_the_manifest_counts_the_zeros(built: Built) -> None:
    manifest, dense = built.manifests["pruned"], built.manifests["dense"]
    prunable_weights = sum(
        weight.numel() for weight in prunable(load_classifier(built.checkpoint("base"), manifest.labels), False)
    )
    removed = math.floor(0.6 * prunable_weights)
    assert dense.nonzero_parameters - manifest.nonzero_parameters == pytest.approx(removed, abs=200)
    assert manifest.sparsity - dense.sparsity == pytest.approx(removed / manifest.parameters, abs=1e-3)


def test_onnx_gives_the_checkpoint_s_logits(built: Built, pipelines: dict[str, Pipeline]) -> None:
    assert largest_difference(pipelines["pruned"], built.checkpoint("pruned")) < 1e-4


def packed_weights(built: Built, embeddings: bool) -> list[Tensor]:
    """What the file holds packed: the pruned matrices, and the positions, which begin mostly as zeros."""
    model = load_classifier(built.checkpoint("pruned"), built.manifests["pruned"].labels)
    return [*prunable(model, embeddings), model.base_model.embeddings.position_embeddings.weight]


def test_the_file_is_smaller_by_what_the_zeros_saved(built: Built) -> None:
    sizes = {name: (built.folder / name / "model.onnx").stat().st_size for name in ("dense", "pruned")}
    weights = packed_weights(built, embeddings=False)
    number = sum(weight.numel() for weight in weights)
    # Each zero saves its four bytes, each weight costs one bit; nodes and names take about a kilobyte a matrix.
    saved = 4 * zeros(weights) - number / 8
    assert 0 <= sizes["pruned"] - (sizes["dense"] - saved) < 2000 * len(weights)
    assert saved > 0.25 * sizes["dense"]
    assert sizes["pruned"] < sizes["dense"] - 0.9 * saved


@pytest.mark.parametrize("layers", [1, 3])
def test_which_weights_are_pruned(layers: int) -> None:
    model = small_model(layers)
    names = {id(weight): name for name, weight in model.named_parameters()}
    chosen = [names[id(weight)] for weight in prunable(model, embeddings=False)]
    assert len(chosen) == MATRICES_OF_A_LAYER * layers
    assert all(name.startswith("roberta.encoder.layer.") and name.endswith(".weight") for name in chosen)
    assert not [name for name in chosen if "LayerNorm" in name]
    with_embeddings = [names[id(weight)] for weight in prunable(model, embeddings=True)]
    assert set(with_embeddings) - set(chosen) == {"roberta.embeddings.word_embeddings.weight"}


@pytest.mark.parametrize("embeddings", [False, True])
@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.333, 0.5, 0.6, 0.75, 0.8, 0.9, 0.95])
def test_any_sparsity_is_met_exactly_by_the_smallest(sparsity: float, embeddings: bool) -> None:
    weights = list(prunable(small_model(), embeddings))
    before = torch.cat([weight.detach().flatten() for weight in weights]).clone()
    masks = magnitude_masks(weights, sparsity)
    apply_masks(weights, masks)
    after = torch.cat([weight.detach().flatten() for weight in weights])
    kept = torch.cat([mask.flatten() for mask in masks])
    removed = math.floor(round(sparsity * 1000) * before.numel() / 1000)
    assert int((~kept).sum()) == removed
    assert torch.equal(after[kept], before[kept])
    assert not after[~kept].any()
    if removed:
        assert before[~kept].abs().max() <= before[kept].abs().min()


def test_the_ranking_is_over_all_matrices_together() -> None:
    low, high = torch.full((10, 10), 0.1), torch.full((10, 10), 0.2)
    masks = magnitude_masks([low, high], 0.5)
    assert not masks[0].any()
    assert masks[1].all()


def test_ties_do_not_change_the_number() -> None:
    (mask,) = magnitude_masks([torch.ones(7, 11)], 0.6)
    assert int((~mask).sum()) == 46


def test_pruned_files_shrink_with_embeddings_too(copy: Built) -> None:
    settings = replace(copy.settings, prune_embeddings=True, sparsity=0.9)
    (manifest,) = build(settings, ["pruned"])
    assert manifest.recipe.parameters["embeddings"] is True
    model = load_classifier(copy.checkpoint("pruned"), manifest.labels)
    weights = list(prunable(model, embeddings=True))
    number = sum(weight.numel() for weight in weights)
    assert zeros(weights) == math.floor(0.9 * number)
    table = model.base_model.embeddings.word_embeddings.weight
    assert 0.3 * table.numel() < zeros([table]) < table.numel()
    packed = packed_weights(copy, embeddings=True)
    saved = 4 * zeros(packed) - sum(weight.numel() for weight in packed) / 8
    dense, pruned = ((copy.folder / name / "model.onnx").stat().st_size for name in ("dense", "pruned"))
    assert 0 <= pruned - (dense - saved) < 2000 * len(packed)
