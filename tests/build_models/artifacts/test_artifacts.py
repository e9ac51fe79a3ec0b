"""Every artefact keeps the contract: complete manifest, right digests, no pickle, loadable by the ecosystem's calls."""

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

from build_models.recipes.context import LIBRARIES
from service.artifacts.manifest import MANIFEST, read_manifest, verify
from service.evaluation.conll import Sentence
from service.evaluation.scoring import score
from service.ner.pipeline import Pipeline, label_sentences
from service.variants import VARIANTS
from tests.build_models.conftest import Built

PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"}
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def checkpoint_digest(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir() if path.name != "stage.json")
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(names)
    return hashlib.sha256("".join(f"{name} {sha256(folder / name)}\n" for name in names).encode()).hexdigest()


def test_the_build_makes_all_of_them(built: Built) -> None:
    assert list(built.manifests) == ["dense", "pruned", "distilled", "int8", "dynamic", "distilled-dynamic", "pocket"]


@every_variant
def test_the_artefact_is_what_its_manifest_says(built: Built, variant: str) -> None:
    folder = built.folder / variant
    manifest = read_manifest(folder)
    verify(folder, manifest)
    assert manifest == built.manifests[variant]
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert set(there) == {*manifest.files, MANIFEST}
    for name, record in manifest.files.items():
        assert (record.bytes, record.sha256) == (there[name].stat().st_size, sha256(there[name]))
    assert {"tokenizer.json", "tokenizer_config.json", "config.json"} <= set(manifest.files)


@every_variant
def test_nothing_in_it_is_a_pickle(built: Built, variant: str) -> None:
    files = [path for path in (built.folder / variant).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".onnx", ".safetensors", ".json", ".model", ".md"}
    assert not {path.suffix for path in built.folder.rglob("*")} & PICKLES
    # A pickle of protocol 2 or later begins with 0x80, torch's zip with PK.
    assert not [path.name for path in files if path.read_bytes()[:2] in (b"PK", b"\x80\x02", b"\x80\x04")]


@every_variant
def test_other_users_may_read_it(built: Built, variant: str) -> None:
    """The service need not run as the user who built: safetensors alone would leave a file to its owner only."""
    modes = {path.name: path.stat().st_mode & 0o777 for path in (built.folder / variant).iterdir()}
    assert set(modes.values()) == {modes[MANIFEST]}


@every_variant
def test_the_manifest_says_how_it_was_made(built: Built, variant: str, sentences: list[Sentence]) -> None:
    manifest, settings = built.manifests[variant], built.settings
    assert (manifest.technique, manifest.runtime) == (VARIANTS[variant].technique, VARIANTS[variant].runtime)
    assert (manifest.recipe.name, manifest.recipe.seed) == (variant.replace("-", "_"), 42)
    assert (manifest.max_length, manifest.overlap) == (64, 16)
    assert manifest.base_model == "from scratch on bundled sample (hau, swa) (tiny)"
    assert manifest.base_revision is None
    assert manifest.data.name == "bundled sample (hau, swa)"
    assert len(bytes.fromhex(manifest.data.digest)) == 32
    assert manifest.languages == ["hau", "swa"]
    assert manifest.labels[0] == "O"
    assert set(manifest.labels) == {label for sentence in sentences for label in sentence.labels}
    assert manifest.libraries == {**manifest.libraries, **{name: version(name) for name in LIBRARIES}}
    assert {"torch", "transformers", "onnxruntime", "bitsandbytes", "tokenizers", "python"} <= set(manifest.libraries)
    assert manifest.build_seconds > 0
    assert manifest.seconds_per_text > 0
    assert settings.seed == 42


def test_the_seconds_of_a_build_are_also_those_of_its_own_training(built: Built) -> None:
    for name in ("dense", "pruned", "distilled"):
        seconds = json.loads((built.checkpoint(name) / "stage.json").read_text())["seconds"]
        assert 0 < seconds < built.manifests[name].build_seconds


def test_no_artefact_needs_a_cpu_feature(built: Built) -> None:
    assert not any(manifest.cpu_features for manifest in built.manifests.values())


def test_recipes_record_all_their_parameters(built: Built) -> None:
    finetune = asdict(built.settings.finetune)
    parameters = {name: dict(manifest.recipe.parameters) for name, manifest in built.manifests.items()}
    weights = {recorded.pop("transition_weight") for recorded in parameters.values()}
    assert weights == {built.settings.transition_weight}
    assert parameters["dense"] == {"finetune": finetune}
    assert parameters["pruned"] == {
        "finetune": finetune,
        "target_sparsity": 0.6,
        "scope": "global",
        "embeddings": False,
        "after": False,
    }
    assert parameters["distilled"] == {
        "finetune": {**finetune, "epochs": 1},
        "distillation": {
            name: value for name, value in asdict(built.settings.distillation).items() if name != "corpus"
        },
    }
    assert parameters["int8"] == {"threshold": 6.0, "other_weights": "float16", "not_quantized": ["classifier"]}
    assert set(parameters["dynamic"]) == {"tolerance", "speed_tolerance", "candidates", "chosen", "measured"}


def test_parents_are_named_with_the_digest_of_their_files(built: Built) -> None:
    base, dense, student = (checkpoint_digest(built.checkpoint(stage)) for stage in ("base", "dense", "distilled"))
    base_name = built.manifests["dense"].base_model
    assert {name: (manifest.parent, manifest.parent_digest) for name, manifest in built.manifests.items()} == {
        "dense": (base_name, base),
        "pruned": (base_name, base),
        "distilled": ("dense", dense),
        "int8": ("dense", dense),
        "dynamic": ("dense", dense),
        "distilled-dynamic": ("distilled", student),
        "pocket": ("dense", dense),
    }


def test_digests_and_inputs_tell_the_artefacts_apart(built: Built) -> None:
    assert len({manifest.digest for manifest in built.manifests.values()}) == len(VARIANTS)
    assert len({manifest.inputs for manifest in built.manifests.values()}) == len(VARIANTS)
    assert len({manifest.data.digest for manifest in built.manifests.values()}) == 1


def test_parameters_are_those_of_the_weights(built: Built) -> None:
    counted = zeros = 0
    with safe_open(built.checkpoint("dense") / "model.safetensors", framework="np") as weights:
        for name in weights.keys():  # noqa: SIM118 (no mapping)
            array = weights.get_tensor(name)
            counted += array.size
            zeros += array.size - np.count_nonzero(array)
    parameters = {name: manifest.parameters for name, manifest in built.manifests.items()}
    assert parameters["dense"] == counted
    assert built.manifests["dense"].nonzero_parameters == counted - zeros
    # Pruning and quantizing keep every weight's place; only distilling takes weights away.
    assert {name for name, number in parameters.items() if number != counted} == {"distilled", "distilled-dynamic"}
    for manifest in built.manifests.values():
        assert 0 < manifest.nonzero_parameters <= manifest.parameters
        assert manifest.sparsity == pytest.approx(1 - manifest.nonzero_parameters / manifest.parameters, abs=1e-4)


@every_variant
def test_metrics_are_of_both_splits_and_each_language(
    built: Built, pipelines: dict[str, Pipeline], sentences: list[Sentence], variant: str
) -> None:
    metrics = built.manifests[variant].metrics
    assert set(metrics) == {"dev", "test"}
    for scores in metrics.values():
        assert set(scores.languages) == {"hau", "swa"}
        assert scores.entities > 0
    assert metrics["test"].sentences == len(sentences)
    # Read again from the artefact as it lies there: the numbers are those of these weights.
    predicted = label_sentences(pipelines[variant], (sentence.words for sentence in sentences))
    again = score(
        [(sentence.language, sentence.labels, labels) for sentence, labels in zip(sentences, predicted, strict=True)]
    )
    assert again == metrics["test"]
    assert again.f1 > 0, "a model that finds nothing would make every comparison here empty"


@every_variant
def test_the_weights_load_with_the_ecosystem_s_own_calls(built: Built, variant: str) -> None:
    folder = built.folder / variant
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoded = tokenizer("Rais William Ruto alifika Nairobi.", return_tensors="np")
    labels = len(built.manifests[variant].labels)
    if VARIANTS[variant].runtime == "llm_int8":
        model = AutoModelForTokenClassification.from_pretrained(folder)
        logits = model(**tokenizer("Rais William Ruto alifika Nairobi.", return_tensors="pt")).logits
    else:
        session = onnxruntime.InferenceSession(folder / "model.onnx")
        feeds = {node.name: encoded[node.name].astype(np.int64) for node in session.get_inputs()}
        (logits,) = session.run(["logits"], feeds)
    assert tuple(logits.shape) == (1, encoded["input_ids"].shape[1], labels)


@every_variant
def test_the_tokenizer_and_config_stand_for_this_model(built: Built, variant: str) -> None:
    folder = built.folder / variant
    tokenizer, config = AutoTokenizer.from_pretrained(folder), AutoConfig.from_pretrained(folder)
    assert len(tokenizer) == config.vocab_size
    assert tokenizer.model_max_length == 512
    assert [config.id2label[number] for number in range(config.num_labels)] == built.manifests[variant].labels


def test_the_test_split_lies_beside_the_artefacts(built: Built, sentences: list[Sentence]) -> None:
    for language in ("hau", "swa"):
        text = (built.folder / "data" / f"{language}.conll").read_text(encoding="utf-8")
        blocks = [block.split("\n") for block in text.strip("\n").split("\n\n")]
        assert [[tuple(line.split(" ")) for line in block] for block in blocks] == [
            list(zip(sentence.words, sentence.labels, strict=True))
            for sentence in sentences
            if sentence.language == language
        ]


def test_the_manifest_is_plain_json(built: Built) -> None:
    raw = json.loads((built.folder / "dense" / MANIFEST).read_text(encoding="utf-8"))
    assert raw["format"] == 1
    assert raw["built_at"].endswith(("Z", "+00:00"))
