"""Builds and uploads as the README writes them, by the real clients, against a small hub on this machine."""

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import datasets
import pyarrow.parquet as parquet
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file

from build_models.artifacts.scores import open_artifact
from build_models.data.sample.generate import generate_sample
from scripts.measure.standins import DIMENSIONS, write_standin
from service.artifacts.manifest import Manifest, read_manifest, verify
from service.ner.pipeline import Pipeline, label_sentences
from tests import ROOT
from tests.hub.commands import Commands
from tests.hub.reading import SENTENCES
from tests.hub.server import TOKEN, Hub, Repository

SMALL = ["--max-length", "64", "--overlap", "16", "--threads", "1"]
BASE = ["--base", "castorini/afriberta_base", "--data", "masakhaner", "--languages", "hau,swa", "--epochs", "5"]
BASE += ["--learning-rate", "1e-2", "--matrix-learning-rate", "1e-2", "--batch-pieces", "256"]
"""With the rates of a base that has learnt nothing."""


NAMES = ["O", *(f"{place}-{kind}" for kind in ("PER", "ORG", "LOC", "DATE") for place in "BI")]


def parquet_of(folder: Path, languages: tuple[str, ...]) -> Path:
    """The bundled sample as the hub converts data sets that were scripts: a folder for each language and split."""
    features = datasets.Features(
        {"id": datasets.Value("string"), "tokens": datasets.List(datasets.Value("string")),
         "ner_tags": datasets.List(datasets.ClassLabel(names=NAMES))}
    )  # fmt: skip
    for language in languages:
        sample = generate_sample((language,), 1, 150)
        for split, sentences in (("train", sample.train), ("validation", sample.dev[:10]), ("test", sample.test[:10])):
            rows = {
                "id": [str(number) for number in range(len(sentences))],
                "tokens": [sentence.words for sentence in sentences],
                "ner_tags": [[NAMES.index(label) for label in sentence.labels] for sentence in sentences],
            }
            path = folder / language / split / "0000.parquet"
            path.parent.mkdir(parents=True)
            parquet.write_table(datasets.Dataset.from_dict(rows, features).data.table, path)
    return folder


@pytest.fixture(scope="module")
def masakhaner(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The commit of the converted branch; the script on the main branch must never run."""
    for name in ("masakhane/masakhaner", "masakhane/masakhaner2"):
        hub.add(name, {"masakhaner.py": b"raise SystemExit(3)", "README.md": b"NER"}, "datasets")
        folder = parquet_of(tmp_path_factory.mktemp("parquet"), ("hau", "swa", "yor"))
        commit = hub.add(name, folder, "datasets", "refs/convert/parquet")
    return commit


@pytest.fixture(scope="module")
def afriberta(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("checkpoints") / "afriberta"
    write_standin(folder, DIMENSIONS["tiny"], classifier=False)
    (folder / "README.md").write_text("AfriBERTa")
    return hub.add("castorini/afriberta_base", folder)


@pytest.fixture(scope="module")
def fine_tuned(
    hub: Hub, commands: Commands, afriberta: str, masakhaner: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What the README's first command makes."""
    out = tmp_path_factory.mktemp("fine-tuned")
    done = commands.run(*BASE, *SMALL, "--variants", "dense,int8,dynamic", "--out", out)
    assert done.status == 0, done.said
    return out


def manifests(out: Path) -> dict[str, Manifest]:
    found = {path.parent.name: read_manifest(path.parent) for path in out.glob("*/manifest.json")}
    for name, manifest in found.items():
        verify(out / name, manifest)
    return found


def test_base_and_data_of_the_hub(fine_tuned: Path, afriberta: str, masakhaner: str, hub: Hub) -> None:
    made = manifests(fine_tuned)
    assert set(made) == {"dense", "int8", "dynamic"}
    for manifest in made.values():
        assert (manifest.base_model, manifest.base_revision) == ("castorini/afriberta_base", afriberta)
        assert manifest.data is not None
        assert manifest.data.name == "masakhane/masakhaner (hau, swa)"
        assert manifest.data.revision == masakhaner
        assert manifest.languages == ["hau", "swa"]
    assert not [asked for asked in hub.asked if "yor/" in asked or "masakhaner.py" in asked]


def test_a_second_build_needs_no_network(
    fine_tuned: Path, hub: Hub, commands: Commands, afriberta: str, masakhaner: str, tmp_path: Path
) -> None:
    hub.down = True
    try:
        again = commands.run(*BASE, *SMALL, "--variants", "dense,dynamic", "--out", fine_tuned)
        elsewhere = commands.run(*BASE, *SMALL, "--variants", "dense", "--out", tmp_path)
        other = commands.run(*BASE[:2], "--data", "masakhaner2", *SMALL, "--out", tmp_path)
    finally:
        hub.down = False
    assert again.status == 0, again.said
    assert "dense: unchanged, kept" in again.said
    assert "dynamic: unchanged, kept" in again.said
    assert elsewhere.status == 0, elsewhere.said
    assert f"taking what was downloaded before, of the commit {afriberta}" in elsewhere.said
    manifest = manifests(tmp_path)["dense"]
    assert manifest.base_revision == afriberta
    assert manifest.data is not None
    assert manifest.data.revision == masakhaner
    assert other.status == 1
    assert "masakhane/masakhaner2 could not be downloaded from the hub" in other.said
    assert "pass the folder: --data ./masakhaner2" in other.said


def test_what_was_imported_needs_no_hub(hub: Hub, commands: Commands, afriberta: str, tmp_path: Path) -> None:
    """Neither a network nor the client's cache; nor access to a repository that has become private."""
    name = "somebody/moved"
    write_standin(tmp_path / "given", DIMENSIONS["tiny"], classifier=True)
    hub.add(name, tmp_path / "given")
    options = ["--model", name, *SMALL, "--variants", "dense", "--out", tmp_path / "out"]
    assert commands.run(*options).status == 0
    shutil.rmtree(commands.home / "hub" / "models--somebody--moved")
    hub.get(name).private = True
    refused = commands.run(*options)
    hub.down = True
    try:
        offline = commands.run(*options)
        elsewhere = commands.run(*options[:-1], tmp_path / "other")
    finally:
        hub.down = False
    for again in (refused, offline):
        assert again.status == 0, again.said
        assert "dense: unchanged, kept" in again.said
    assert f"the hub has no model {name} that you may read" in refused.said
    assert "What was imported before, of the commit" in refused.said
    assert elsewhere.status == 1
    assert f"{name} could not be downloaded" in elsewhere.said


def test_a_classifier_of_the_hub(hub: Hub, commands: Commands, masakhaner: str, tmp_path: Path) -> None:
    """Gated, at an older commit, with weights that are not used; and the connection breaks in the middle of them."""
    name = "somebody/xlm-roberta-base-finetuned-ner"
    write_standin(tmp_path / "given", DIMENSIONS["tiny"], classifier=True, safetensors=True)
    (tmp_path / "given" / "optimizer.pt").write_bytes(b"state")
    weights = load_file(tmp_path / "given" / "model.safetensors")
    weights["pooler.dense.weight"] = torch.zeros(1000, 4000)
    save_file(weights, tmp_path / "given" / "model.safetensors", {"format": "pt"})
    first = hub.add(name, tmp_path / "given")
    hub.add(name, {"config.json": b"{}"})
    hub.get(name).gated = True
    hub.break_after = 12_000_000
    options = ["--model", name, "--model-revision", first, "--data", "masakhaner2", "--languages", "swa"]
    done = commands.run(*options, *SMALL, "--variants", "dense", "--out", tmp_path / "out", HF_TOKEN=TOKEN)
    assert done.status == 0, done.said
    assert hub.break_after is None
    assert f"{name}: the download broke off" in done.said
    # The client writes 10 MiB at once.
    assert [asked for asked in hub.asked if asked.endswith(f" from {10 * 2**20}")]
    assert f"{name}: files that are not used: optimizer.pt" in done.said
    assert f"{name}: weights that are not used: pooler.dense.weight" in done.said
    assert not [asked for asked in hub.asked if asked.endswith("optimizer.pt")]
    manifest = manifests(tmp_path / "out")["dense"]
    assert (manifest.base_model, manifest.base_revision) == (name, first)
    assert manifest.data is not None
    assert manifest.data.name == "masakhane/masakhaner2 (swa)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--base", "somebody/gated"], r"somebody/gated is gated: accept its terms on http\S+/somebody/gated, then"),
        (["--model", "somebody/gated"], r"somebody/gated is gated: accept its terms on http\S+/somebody/gated, then"),
        (["--model", "nobody/nothing"], r"the hub has no model nobody/nothing that you may read: check the name"),
        (["--data", "nobody/nothing"], r"the hub has no data set nobody/nothing that you may read: check the name"),
        (["--model", "somebody/gated", "--model-revision", "v2"], r"somebody/gated has no revision v2 on the hub"),
        (["--model", "somebody/lora"], r"somebody/lora is a PEFT adapter without its base: merge the two"),
        (["--base", "somebody/lora"], r"somebody/lora is a PEFT adapter without its base: merge the two"),
        (["--model", "somebody/gguf"], r"somebody/gguf is a GGUF file, which holds weights for llama.cpp"),
        (["--base", "somebody/own-code"], r"somebody/own-code requires custom code \(auto_map\)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_the_hub_does_not_give(
    hub: Hub, commands: Commands, tmp_path: Path, options: list[str], message: str
) -> None:
    write_standin(tmp_path / "given", DIMENSIONS["tiny"], classifier=True, safetensors=True)
    hub.add("somebody/gated", tmp_path / "given")
    hub.get("somebody/gated").gated = True
    hub.add("somebody/lora", {"adapter_config.json": b"{}", "adapter_model.safetensors": b""})
    hub.add("somebody/gguf", {"model-q4.gguf": b"GGUF"})
    own = json.loads((tmp_path / "given" / "config.json").read_text()) | {"auto_map": {"AutoModel": "m.M"}}
    hub.add("somebody/own-code", tmp_path / "given")
    hub.add("somebody/own-code", {"config.json": json.dumps(own).encode(), "m.py": b"raise SystemExit(3)"})
    done = commands.run(*options, *SMALL, "--sample-sentences", "10", "--out", tmp_path / "out")
    assert done.status == 1, done.said
    assert re.search(f"error: {message}", done.said), done.said
    assert "Traceback" not in done.said
    assert not list((tmp_path / "out").glob("*/*.json"))


PUSHED = ("dense", "int8", "dynamic")


@pytest.fixture(scope="module")
def pushed(hub: Hub, commands: Commands, fine_tuned: Path) -> dict[str, Repository]:
    for variant in PUSHED:
        done = commands.run(
            "push", "--variant", variant, "--repo", f"me/{variant}", "--out", fine_tuned, HF_TOKEN=TOKEN
        )
        assert done.status == 0, done.said
        assert f"{hub.url}/me/{variant}/commit/" in done.said
    return {variant: hub.get(f"me/{variant}") for variant in PUSHED}


def test_the_layout_is_the_one_of_optimum_and_transformers_js(pushed: dict[str, Repository], fine_tuned: Path) -> None:
    models = {"dense": "onnx/model.onnx", "int8": "model.safetensors", "dynamic": "onnx/model_quantized.onnx"}
    for variant, repository in pushed.items():
        files = repository.files()
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "manifest.json"):
            assert files[name] == (fine_tuned / variant / name).read_bytes()
        named = b'.from_pretrained("REPOSITORY_OR_FOLDER", file_name="model_quantized.onnx")'
        assert (named in files["README.md"]) == (variant == "dynamic")
        card = files["README.md"].replace(b', file_name="model_quantized.onnx"', b"")
        assert card == (fine_tuned / variant / "README.md").read_bytes()
        (weights,) = (name for name in files if name.endswith((".onnx", ".safetensors")))
        assert weights == models[variant]
        assert files[weights] == (fine_tuned / variant / Path(weights).name.replace("_quantized", "")).read_bytes()


def test_each_is_loaded_as_its_card_says_and_labels_as_served(
    pushed: dict[str, Repository], fine_tuned: Path, hub: Hub, tmp_path: Path
) -> None:
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.hub.reading", *(f"me/{variant}" for variant in PUSHED)],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert {program for found in answers.values() for program in found} == {"transformers", "optimum", "onnxruntime"}
    alike = 0
    for variant in PUSHED:
        manifest, pipeline = open_artifact(fine_tuned / variant, 1)
        # Without the label transitions, which other programs do not know.
        plain = Pipeline(pipeline.runtime, pipeline.encoder, manifest.labels)
        for found in answers[f"me/{variant}"].values():
            for words, theirs, served in zip(SENTENCES, found, label_sentences(plain, SENTENCES), strict=True):
                ((_, window),) = plain.encoder.windows(plain.encoder.encode_all(words))
                best = plain.runtime.logits(window.input_ids)[window.heads].argmax(axis=-1)
                assert theirs == [manifest.labels[number] for number in best]
                # The service mends sequences that are not valid, of which a small training leaves some.
                if is_valid(theirs):
                    assert theirs == served
                    alike += 1
    assert alike


def is_valid(labels: list[str]) -> bool:
    """Whether each I- goes on with an entity of its type."""
    return all(
        not label.startswith("I-") or (before != "O" and before[2:] == label[2:])
        for before, label in pairwise(["O", *labels])
    )


def test_the_model_card_has_the_hub_s_metadata(pushed: dict[str, Repository], fine_tuned: Path, afriberta: str) -> None:
    for variant, manifest in manifests(fine_tuned).items():
        card = ModelCard(pushed[variant].files()["README.md"].decode())
        assert card.data.base_model == "castorini/afriberta_base"
        assert card.data.datasets == ["masakhane/masakhaner"]
        assert card.data.language == ["hau", "swa"]
        assert card.data.pipeline_tag == "token-classification"
        results = {result.dataset_split: result.metric_value for result in card.data.eval_results}
        assert results == {
            "validation": round(manifest.metrics["dev"].f1, 4),
            "test": round(manifest.metrics["test"].f1, 4),
        }
        for language, f1 in manifest.metrics["test"].languages.items():
            assert f"| test | {language} | {f1:.4f} |" in card.text
        assert afriberta in card.text
        assert "micro F1 against the labels of masakhane/masakhaner (hau, swa)" in card.text


def test_a_private_repository_and_a_branch(hub: Hub, commands: Commands, fine_tuned: Path) -> None:
    options = ["push", "--variant", "dynamic", "--repo", "me/hidden", "--private", "--out", fine_tuned]
    assert commands.run(*options, "--revision", "v1", HF_TOKEN=TOKEN).status == 0
    repository = hub.get("me/hidden")
    assert repository.private
    assert "onnx/model_quantized.onnx" in repository.files("v1")
    assert "onnx/model_quantized.onnx" not in repository.files("main")
    again = commands.run(*options, HF_TOKEN=TOKEN)
    assert again.status == 0, again.said
    assert "onnx/model_quantized.onnx" in repository.files("main")


@pytest.mark.parametrize(
    ("options", "environment", "message"),
    [
        ({}, {}, "Nothing was uploaded, because there is no token: sign in with `hf auth login`, or set HF_TOKEN"),
        ({}, {"HF_TOKEN": "hf_wrong"}, "the hub does not take the token: sign in"),
        ({"--repo": "you/model"}, {"HF_TOKEN": TOKEN}, "the token may not write there"),
        ({"--repo": "model"}, {"HF_TOKEN": TOKEN}, "--repo model: give owner/name"),
        ({"--variant": "static"}, {"HF_TOKEN": TOKEN}, "There is no variant static. Choose from: dense, pruned"),
        ({"--variant": "pruned"}, {"HF_TOKEN": TOKEN}, "manifest.json is missing: build this variant with"),
    ],
    ids=["no token", "wrong token", "not mine", "no owner", "unknown variant", "not built"],
)
def test_what_cannot_be_uploaded_says_why(
    hub: Hub, commands: Commands, fine_tuned: Path, options: dict[str, str], environment: dict[str, str], message: str
) -> None:
    wanted = {"--variant": "dynamic", "--repo": "me/nowhere", "--out": str(fine_tuned), **options}
    done = commands.run("push", *(part for option in wanted.items() for part in option), **environment)
    assert done.status == 1
    assert f"error: {message}" in done.said or message in done.said
    assert "Traceback" not in done.said
    assert ("models", "me/nowhere") not in hub.repositories


def test_a_changed_artefact_and_a_hub_that_is_away(
    hub: Hub, commands: Commands, fine_tuned: Path, tmp_path: Path
) -> None:
    shutil.copytree(fine_tuned / "dynamic", tmp_path / "dynamic")
    options = ["push", "--variant", "dynamic", "--repo", "me/away", "--out", tmp_path]
    hub.down = True
    try:
        away = commands.run(*options, HF_TOKEN=TOKEN)
    finally:
        hub.down = False
    assert away.status == 1
    assert "me/away: nothing was committed: the hub cannot be reached" in away.said
    with (tmp_path / "dynamic" / "README.md").open("a") as card:
        card.write("My own words.")
    changed = commands.run(*options, HF_TOKEN=TOKEN)
    assert changed.status == 1
    assert re.search(r"Nothing was uploaded: \S+README.md has \d+ bytes where its manifest says", changed.said)
    assert ("models", "me/away") not in hub.repositories
