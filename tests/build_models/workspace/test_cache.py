"""Building again runs only what changed."""

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from build_models.build import build
from build_models.recipes import context
from build_models.settings import DistillationSettings
from build_models.training import loop as training
from service.artifacts.manifest import read_manifest, verify
from service.variants import VARIANTS
from tests.build_models.conftest import Built


class Ran(Exception):
    """Something ran that should have been kept."""


def trap(*_: object, **__: object) -> None:
    raise Ran


def forbid_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.Trainer, "run", trap)


def forbid_making(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every recipe writes its artefact through this, whatever it makes it from.
    monkeypatch.setattr(context, "publish", trap)


def stamps(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "data"
    }


def test_the_traps_hold(copy: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this the next test could pass because nothing is ever trapped."""
    with monkeypatch.context() as patch:
        forbid_training(patch)
        with pytest.raises(Ran):
            build(replace(copy.settings, sparsity=0.5), ["pruned"])
    forbid_making(monkeypatch)
    for variant in VARIANTS:
        (copy.folder / variant / "manifest.json").unlink()
        with pytest.raises(Ran):
            build(copy.settings, [variant])


def test_the_same_settings_run_nothing(
    built: Built, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forbid_training(monkeypatch)
    forbid_making(monkeypatch)
    before = stamps(built.folder)
    again = build(built.settings, list(VARIANTS))
    assert {manifest.variant: manifest for manifest in again} == built.manifests
    assert stamps(built.folder) == before
    said = capsys.readouterr().err
    assert {name for name in ("base", *VARIANTS) if f"{name}: unchanged, kept" in said} == {"base", *VARIANTS}
    assert "started" not in said
    assert "making" not in said


def test_another_sparsity_builds_only_pruned(copy: Built) -> None:
    before = stamps(copy.folder)
    again = {manifest.variant: manifest for manifest in build(replace(copy.settings, sparsity=0.3), list(VARIANTS))}
    assert {name for name in VARIANTS if again[name] != copy.manifests[name]} == {"pruned"}
    assert again["pruned"].recipe.parameters["target_sparsity"] == 0.3
    assert again["pruned"].digest != copy.manifests["pruned"].digest
    changed = {name for name, time in stamps(copy.folder).items() if before.get(name) != time}
    # What it replaced is kept for a rollback.
    assert {name.removeprefix(".work/").split("/")[0] for name in changed} == {"pruned", ".previous"}


def would_build(copy: Built, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The variants with something to do: each by itself, stopped where its first work would begin."""
    forbid_training(monkeypatch)
    forbid_making(monkeypatch)
    ran = set()
    for variant in VARIANTS:
        try:
            build(copy.settings, [variant])
        except Ran:
            ran.add(variant)
    return ran


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"int8_threshold": 5.0}, {"int8"}),
        ({"distillation": DistillationSettings(temperature=3.0)}, {"distilled", "distilled-dynamic", "pocket"}),
        ({"seed": 43}, set(VARIANTS)),
        ({"max_length": 48}, set(VARIANTS)),
    ],
    ids=["threshold", "temperature", "seed", "max_length"],
)
def test_what_a_change_would_build(
    copy: Built, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], expected: set[str]
) -> None:
    changed = replace(copy, settings=replace(copy.settings, **change))  # type: ignore[arg-type]
    assert would_build(changed, monkeypatch) == expected


def note(path: Path) -> None:
    """Change a JSON file and nothing that it says of the model."""
    path.write_text(json.dumps(json.loads(path.read_text()), indent=5))


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize(
    ("stage", "expected"),
    [("base", set(VARIANTS)), ("dense", {"distilled", "int8", "dynamic", "distilled-dynamic", "pocket"})],
    ids=["base", "dense"],
)
def test_what_another_tokenizer_or_configuration_would_build(
    copy: Built, monkeypatch: pytest.MonkeyPatch, stage: str, expected: set[str], file: str
) -> None:
    note(copy.checkpoint(stage) / file)
    assert would_build(copy, monkeypatch) == expected


def test_what_another_teacher_would_train(copy: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage itself, not only the artefact: a student of another teacher is another student."""
    flip(copy.checkpoint("dense") / "model.safetensors")
    forbid_training(monkeypatch)
    with pytest.raises(Ran):
        build(copy.settings, ["distilled"])


def test_another_version_of_a_library_builds_all(copy: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "version", lambda library: "999" if library == "onnxruntime" else version(library))
    assert would_build(copy, monkeypatch) == set(VARIANTS)


def flip(path: Path) -> None:
    """Change one bit in the middle: the size stays."""
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 1
    path.write_bytes(contents)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("variant", "file", "harm"),
    [
        ("dense", "model.onnx", flip),
        ("distilled", "tokenizer.json", Path.unlink),
        ("pruned", "config.json", cut),
        ("pruned", "manifest.json", cut),
    ],
    ids=["flipped bit", "missing file", "cut file", "cut manifest"],
)
def test_a_damaged_artefact_is_made_again_from_the_kept_checkpoint(
    copy: Built, monkeypatch: pytest.MonkeyPatch, variant: str, file: str, harm: object
) -> None:
    assert callable(harm)
    harm(copy.folder / variant / file)
    forbid_training(monkeypatch)
    (manifest,) = build(copy.settings, [variant])
    verify(copy.folder / variant, read_manifest(copy.folder / variant))
    assert manifest.files == copy.manifests[variant].files, "the same checkpoint gives the same files"
    assert manifest.metrics == copy.manifests[variant].metrics


def test_a_language_that_is_no_longer_built_leaves_no_test_split(copy: Built) -> None:
    """The service reads every split that lies there: one of an earlier build would be scored as this one's."""
    settings = replace(copy.settings, languages=("swa",), finetune=replace(copy.settings.finetune, epochs=1))
    build(settings, ["dense"])
    assert sorted(path.name for path in (copy.folder / "data").iterdir()) == ["source.json", "swa.conll"]
