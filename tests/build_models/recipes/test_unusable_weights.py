"""Weights that are no numbers, or a pointer in their place: the pool, the command and the build say what they are."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from build_models.__main__ import cli
from build_models.build import build
from build_models.errors import BuildError
from service.artifacts.manifest import MANIFEST, digest_of, read_manifest, record_files
from service.artifacts.pool import VariantPool
from tests.build_models.conftest import Built

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 443000000\n"
WEIGHTS = {"dense": "model.onnx", "int8": "model.safetensors"}


def write_pointer(path: Path) -> None:
    path.write_text(POINTER, encoding="ascii")


def write_not_a_number(path: Path) -> None:
    if path.suffix == ".onnx":
        model = onnx.load(path)
        (bias,) = (tensor for tensor in model.graph.initializer if tensor.name.endswith("classifier.bias"))
        bias.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(bias), np.nan), bias.name))
        onnx.save(model, path)
    else:
        weights = load_file(path)
        bias_name = next(name for name in weights if name.endswith("classifier.bias"))
        weights[bias_name] = torch.full_like(weights[bias_name], float("nan"))
        save_file(weights, path, {"format": "pt"})


def record_again(folder: Path) -> None:
    """As if the artefact had been made so."""
    files = record_files(folder)
    manifest = read_manifest(folder).model_copy(update={"files": files, "digest": digest_of(files)})
    (folder / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")


@pytest.mark.parametrize("variant", WEIGHTS)
@pytest.mark.parametrize(
    ("spoil", "recorded", "says"),
    [
        (write_pointer, False, "is a Git LFS pointer, not the file itself"),
        (write_pointer, True, "is a Git LFS pointer, not the file itself"),
        (write_not_a_number, True, "the model answers NaN or infinity"),
    ],
)
def test_an_artefact(copy: Built, variant: str, spoil: Callable[[Path], None], recorded: bool, says: str) -> None:
    spoil(copy.folder / variant / WEIGHTS[variant])
    if recorded:
        record_again(copy.folder / variant)
    pool = VariantPool(copy.folder, 1, variants=[variant])
    pool.load()
    (slot,) = (slot for slot in pool if slot.variant.name == variant)
    assert slot.status == "failed"
    assert slot.reason is not None
    assert slot.reason.startswith(variant)
    assert says in slot.reason
    runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"})
    result = runner.invoke(cli, ["evaluate", "--artifacts", str(copy.folder), "--variants", variant])
    assert result.exit_code == 1
    assert says in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("model.safetensors", POINTER, "model.safetensors is a Git LFS pointer, not the file itself"),
        ("tokenizer.json", POINTER, "tokenizer.json is a Git LFS pointer, not the file itself"),
        ("model.safetensors", None, "holds NaN or infinity in "),
    ],
)
def test_a_base(built: Built, tmp_path: Path, name: str, content: str | None, says: str) -> None:
    base = tmp_path / "base"
    shutil.copytree(built.checkpoint("base"), base)
    if content is None:
        weights = load_file(base / name)
        weights[next(iter(weights))].view(-1)[0] = float("nan")
        save_file(weights, base / name, {"format": "pt"})
    else:
        (base / name).write_text(content, encoding="ascii")
    runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"})
    options = ["--languages", "swa", "--sample-sentences", "50", "--max-length", "64", "--overlap", "16"]
    result = runner.invoke(cli, ["--base", str(base), "--out", str(tmp_path / "out"), *options])
    assert result.exit_code == 1, result.output
    assert says in result.stderr
    assert "Traceback" not in result.output


def test_a_training_that_diverged(copy: Built) -> None:
    """The checkpoint is kept, and nothing is made of it."""
    path = copy.checkpoint("dense") / "model.safetensors"
    weights = load_file(path)
    weights["classifier.bias"][0] = float("inf")
    save_file(weights, path, {"format": "pt"})
    shutil.rmtree(copy.folder / "dense")
    with pytest.raises(BuildError, match=r"NaN or infinity in classifier.bias.*lower learning rate"):
        build(copy.settings, ["dense"])
    assert not (copy.folder / "dense").exists()
