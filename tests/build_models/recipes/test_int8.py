import json

import bitsandbytes
import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn
from transformers import AutoModelForTokenClassification

from service.evaluation.conll import Sentence
from service.ner.pipeline import Pipeline
from tests.build_models.conftest import Built
from tests.build_models.readings import word_probabilities

MATRICES = {
    f"roberta.encoder.layer.{layer}.{name}"
    for layer in (0, 1)
    for name in (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    )
}
PROBABILITY_TOLERANCE = 0.05
"""8-bit weights and activations and 16-bit rest against fp32; seen here: below 0.03."""


def test_the_six_matrices_of_each_layer_are_bitsandbytes_modules(built: Built) -> None:
    model = AutoModelForTokenClassification.from_pretrained(built.folder / "int8")
    modules = dict(model.named_modules())
    assert {name for name, module in modules.items() if isinstance(module, bitsandbytes.nn.Linear8bitLt)} == MATRICES
    # LLM.int8() leaves the head alone.
    assert type(modules["classifier"]) is nn.Linear
    assert {modules[name].state.threshold for name in MATRICES} == {6.0}


def test_weights_are_stored_in_eight_bits(built: Built) -> None:
    with safe_open(built.folder / "int8" / "model.safetensors", framework="pt") as weights:
        types = {name: weights.get_tensor(name).dtype for name in weights.keys()}  # noqa: SIM118 (no mapping)
    assert {name.removesuffix(".weight") for name, kind in types.items() if kind == torch.int8} == MATRICES
    rest = {
        kind
        for name, kind in types.items()
        if name.removesuffix(".weight") not in MATRICES and not name.endswith((".SCB", ".weight_format"))
    }
    assert rest == {torch.float16}


def test_its_config_says_so(built: Built) -> None:
    config = json.loads((built.folder / "int8" / "config.json").read_text(encoding="utf-8"))
    assert config["quantization_config"]["load_in_8bit"] is True
    assert config["quantization_config"]["llm_int8_threshold"] == 6.0
    assert config["quantization_config"]["quant_method"] == "bitsandbytes"
    assert config["quantization_config"]["llm_int8_skip_modules"] == ["classifier"]


def test_stored_weights_are_the_dense_ones_rounded(built: Built) -> None:
    """Each row is scaled by its largest magnitude: no weight may be off by more than about half a step."""
    with (
        safe_open(built.folder / "int8" / "model.safetensors", framework="pt") as quantized,
        safe_open(built.checkpoint("dense") / "model.safetensors", framework="pt") as dense,
    ):
        for name in MATRICES:
            scale = quantized.get_tensor(f"{name}.SCB")[:, None]
            restored = quantized.get_tensor(f"{name}.weight").float() * scale / 127
            error = (restored - dense.get_tensor(f"{name}.weight")).abs()
            # Half a step, and the rounding to 16 bits that comes before.
            assert bool((error <= scale * (0.5 / 127 + 2**-10)).all()), name


def test_it_is_smaller_than_dense(built: Built) -> None:
    sizes = {
        name: (built.folder / name / file).stat().st_size
        for name, file in {"dense": "model.onnx", "int8": "model.safetensors"}.items()
    }
    assert sizes["int8"] < 0.5 * sizes["dense"]


def test_answers_agree_with_dense(pipelines: dict[str, Pipeline], sentences: list[Sentence]) -> None:
    some = sentences[::3]
    dense, int8 = (word_probabilities(pipelines[name], some) for name in ("dense", "int8"))
    assert (dense.argmax(-1) == int8.argmax(-1)).mean() >= 0.95
    assert np.abs(dense - int8).max() < PROBABILITY_TOLERANCE
    assert (dense.argmax(-1) != 0).any(), "where everything is O, agreement says nothing"
    assert np.abs(dense - int8).max() > 0, "the same weights would be no quantization"


def test_f1_is_near_dense(built: Built) -> None:
    dense, int8 = (built.manifests[name].metrics["test"].f1 for name in ("dense", "int8"))
    assert int8 == pytest.approx(dense, abs=0.02)
