"""Pushes to a repository that is there already: what is in it still works, or nothing is uploaded."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from build_models.artifacts import onnx_files
from build_models.build import build
from service.artifacts.manifest import digest_of, read_manifest, record_files
from tests.build_models.classifiers import change_json, settings_for_every_variant, write_classifier
from tests.hub.commands import Commands, Done
from tests.hub.server import TOKEN, Hub, Repository


class Pusher:
    """Pushes what was built of ``given`` in ``out``."""

    def __init__(self, commands: Commands, given: Path, out: Path):
        self.given, self.out = given, out
        self._commands = commands

    def __call__(self, variant: str, repository: str, *options: str, out: Path | None = None) -> Done:
        place = ["--variant", variant, "--repo", repository, "--out", out or self.out]
        return self._commands.run("push", *place, *options, HF_TOKEN=TOKEN)


@pytest.fixture(scope="module")
def push(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Pusher:
    folder = tmp_path_factory.mktemp("built")
    write_classifier(folder / "given")
    settings = settings_for_every_variant(folder, str(folder / "given"), max_length=64)
    # Fewer than the texts have.
    build(replace(settings, pocket=replace(settings.pocket, pieces=80)), ["dense", "dynamic", "pocket"])
    return Pusher(commands, folder / "given", settings.out)


@contextmanager
def changed(out: Path, variant: str, target: Path) -> Iterator[Path]:
    """A copy of a variant in ``target``, whose manifest is right again after the changes."""
    folder = target / variant
    shutil.copytree(out / variant, folder)
    yield folder
    files = record_files(folder)
    manifest = read_manifest(folder).model_copy(update={"files": files, "digest": digest_of(files)})
    (folder / "manifest.json").write_text(manifest.model_dump_json())


def outside(repository: Repository) -> object:
    config = json.loads(repository.files()["config.json"])
    return config.get("transformers.js_config", {}).get("use_external_data_format")


def test_private_is_never_public(hub: Hub, push: Pusher) -> None:
    hub.add("me/seen", {"README.md": b"Mine"})
    done = push("dynamic", "me/seen", "--private", "--revision", "v1")
    assert done.status == 1
    assert "error: me/seen is public, and nothing was uploaded: make it private in its settings" in done.said
    assert list(hub.get("me/seen").revisions) == ["main"]
    assert hub.get("me/seen").files() == {"README.md": b"Mine"}
    hub.get("me/seen").private = True
    assert push("dynamic", "me/seen", "--private").status == 0


def test_both_kinds_of_onnx_files_share_a_repository(hub: Hub, push: Pusher) -> None:
    for variant in ("dense", "dynamic", "dense"):
        done = push(variant, "me/both")
        assert done.status == 0, done.said
    files = hub.get("me/both").files()
    assert {name for name in files if name.endswith(".onnx")} == {"onnx/model.onnx", "onnx/model_quantized.onnx"}
    assert files["config.json"] == (push.out / "dense" / "config.json").read_bytes()


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [("pocket", "dynamic", "onnx/model.onnx"), ("dynamic", "pocket", "onnx/model_quantized.onnx")],
)
def test_no_model_gets_another_vocabulary(hub: Hub, push: Pusher, first: str, second: str, left: str) -> None:
    name = f"me/{first}-first"
    assert push(first, name).status == 0
    repository = hub.get(name)
    before, asked = dict(repository.commits), len(hub.asked)
    done = push(second, name)
    assert done.status == 1
    assert (
        f"error: {name} has {left}, which this push does not replace: with the tokenizer.json and config" in done.said
    )
    assert "it would get the ids of another vocabulary. Nothing was uploaded: push to another --repo" in done.said
    assert repository.commits == before
    assert not [some for some in hub.asked[asked:] if "preupload" in some or "/lfs/" in some or "/branch/" in some]
    # A new branch starts as a copy of main, and has only the model that fits.
    again = push(second, name, "--revision", "other")
    assert again.status == 0, again.said
    assert f"the new branch is without {left} of main" in again.said
    assert left not in repository.files("other")
    assert len([file for file in repository.files("other") if file.endswith(".onnx")]) == 1
    assert left in repository.files("main")
    back = push(first, name, "--revision", "other")
    assert back.status == 1
    assert "it would get the ids of another vocabulary" in back.said
    assert push(first, name).status == 0


def test_no_model_gets_other_labels(hub: Hub, push: Pusher, tmp_path: Path) -> None:
    assert push("dense", "me/labels").status == 0
    with changed(push.out, "dynamic", tmp_path) as folder:
        labels = json.loads((folder / "config.json").read_text())["id2label"]
        change_json(folder / "config.json", id2label=dict(zip(labels, reversed(labels.values()), strict=True)))
    done = push("dynamic", "me/labels", out=tmp_path)
    assert done.status == 1
    assert "me/labels has onnx/model.onnx" in done.said
    assert "it would answer with wrong labels" in done.said
    assert len(hub.get("me/labels").revisions) == 1


def test_a_checkpoint_keeps_its_sizes(hub: Hub, push: Pusher) -> None:
    hub.add("me/checkpoint", push.given)
    weights = hub.get("me/checkpoint").files()["model.safetensors"]
    done = push("dynamic", "me/checkpoint")
    assert done.status == 0, done.said
    assert hub.get("me/checkpoint").files()["model.safetensors"] == weights
    smaller = push("pocket", "me/checkpoint")
    assert smaller.status == 1
    assert "me/checkpoint has model.safetensors" in smaller.said
    assert "its weights could not be read" in smaller.said
    quantized = json.loads(hub.get("me/checkpoint").files()["config.json"]) | {"quantization_config": {}}
    hub.add("me/checkpoint", {"config.json": json.dumps(quantized).encode()})
    assert "its weights could not be read" in push("dynamic", "me/checkpoint").said


def test_weights_beside_a_graph_are_found_after_another_push(
    hub: Hub, push: Pusher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_files, "LARGEST", 0)
    with changed(push.out, "dense", tmp_path) as folder:
        onnx_files.save(onnx.load(folder / "model.onnx"), folder / "model.onnx")
    assert push("dense", "me/large", out=tmp_path).status == 0
    repository = hub.get("me/large")
    assert "onnx/model.onnx_data" in repository.files()
    assert outside(repository) == {"model.onnx": True}
    done = push("dynamic", "me/large")
    assert done.status == 0, done.said
    assert outside(repository) == {"model.onnx": True}
    # The quantized one is in one file.
    assert push("dense", "me/large", out=tmp_path).status == 0
    assert outside(repository) == {"model.onnx": True}
    # Now both are.
    assert push("dense", "me/large").status == 0
    assert outside(repository) is None
