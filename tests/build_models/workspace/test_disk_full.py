"""A disk that is really full: a small tmpfs with a finished build on it and little room left."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from build_models.__main__ import cli
from service.artifacts.manifest import read_manifest, verify
from tests.build_models.conftest import Built
from tests.build_models.readings import window
from tests.conftest import BUILD_OPTIONS
from tests.tmpfs import tmpfs

KILOBYTE = 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 48 MiB, gone after the test."""
    with tmpfs(tmp_path / "disk", "48m") as folder:
        yield folder


def leave(disk: Path, kilobytes: int) -> None:
    """Fill the disk until that much room is left."""
    with (disk / "filler").open("wb") as file:
        file.write(bytes(shutil.disk_usage(disk).free - kilobytes * KILOBYTE))
    assert shutil.disk_usage(disk).free <= kilobytes * KILOBYTE


def build_without_room(out: Path, *options: str) -> str:
    result = CliRunner().invoke(cli, [*BUILD_OPTIONS.split(), "--out", str(out), *options])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert "No space left on device" in last
    return last


@pytest.mark.parametrize(
    ("variant", "option", "value", "kilobytes"),
    [
        # Too little for the checkpoint, for the tokenizer beside it, for the artefact, and for its last file.
        ("pruned", "--epochs", "1", 0),
        ("pruned", "--epochs", "1", 1500),
        ("pruned", "--epochs", "1", 2500),
        ("pruned", "--epochs", "1", 3600),
        ("int8", "--int8-threshold", "5", 0),
        ("int8", "--int8-threshold", "5", 900),
        ("dynamic", "--seed", "42", 2000),
        ("dynamic", "--seed", "42", 7000),
    ],
)
def test_the_earlier_artefact_stays(
    built: Built, disk: Path, variant: str, option: str, value: str, kilobytes: int
) -> None:
    out = disk / "artifacts"
    shutil.copytree(built.folder, out)
    if variant == "dynamic":
        # None of its settings is an option: another kept input stands for one.
        manifest = out / "dynamic" / "manifest.json"
        manifest.write_text(manifest.read_text().replace(built.manifests["dynamic"].inputs, "0" * 64))
    before = read_manifest(out / variant)
    leave(disk, kilobytes)
    build_without_room(out, "--variants", variant, option, value)
    manifest_now = read_manifest(out / variant)
    verify(out / variant, manifest_now)
    assert manifest_now == before
    here = Built(out, built.settings, {variant: before})
    assert here.open(variant).runtime.logits(window(7, 900)).shape == (9, len(before.labels))
    # Once there is room again, nothing of the failure stands in the way.
    assert not [path.name for path in out.iterdir() if path.name.startswith(".") and path.name != ".work"]


@pytest.mark.parametrize("kilobytes", [0, 100, 1000])
def test_a_first_build_says_why_it_ends(disk: Path, kilobytes: int) -> None:
    leave(disk, kilobytes)
    build_without_room(disk / "artifacts")
    assert not list((disk / "artifacts").glob("*/manifest.json"))


def test_it_goes_on_when_there_is_room_again(built: Built, disk: Path) -> None:
    out = disk / "artifacts"
    shutil.copytree(built.folder, out)
    leave(disk, 500)
    build_without_room(out, "--variants", "int8", "--int8-threshold", "5")
    (disk / "filler").unlink()
    result = CliRunner().invoke(
        cli, [*BUILD_OPTIONS.split(), "--out", str(out), "--variants", "int8", "--int8-threshold", "5"]
    )
    assert result.exit_code == 0
    assert read_manifest(out / "int8").recipe.parameters["threshold"] == 5.0
