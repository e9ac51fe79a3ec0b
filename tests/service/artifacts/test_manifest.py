import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.artifacts.manifest import (
    MANIFEST,
    ArtifactError,
    DataRecord,
    FileRecord,
    Manifest,
    RecipeRecord,
    _exchange,
    digest_of,
    publish,
    read_manifest,
    record_files,
    replace_folder,
    verify,
)
from tests.tmpfs import tmpfs


def manifest_of(files: dict[str, FileRecord], variant: str = "dense") -> Manifest:
    return Manifest(
        variant=variant,
        technique="none",
        runtime="onnx",
        recipe=RecipeRecord(name="dense", parameters={}, seed=1),
        parent=None,
        parent_digest=None,
        base_model="toy",
        base_revision=None,
        data=DataRecord(name="toy", digest="0" * 64),
        labels=["O", "B-PER", "I-PER"],
        languages=["hau"],
        max_length=16,
        overlap=4,
        libraries={},
        cpu_features=[],
        files=files,
        parameters=2,
        nonzero_parameters=1,
        sparsity=0.5,
        metrics={},
        seconds_per_text=0.1,
        build_seconds=1.0,
        built_at=datetime(2024, 1, 1, tzinfo=UTC),
        inputs="0" * 64,
        digest=digest_of(files),
    )


def with_files(folder: Path, files: dict[str, FileRecord]) -> None:
    (folder / MANIFEST).write_text(manifest_of(files).model_dump_json())


def writer(weights: bytes) -> Callable[[Path], Manifest]:
    """Writes an artefact of two files, one of them in a folder of its own."""

    def write(folder: Path) -> Manifest:
        (folder / "model.onnx").write_bytes(weights)
        (folder / "more").mkdir()
        (folder / "more" / "config.json").write_text("{}")
        return manifest_of(record_files(folder))

    return write


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    folder = tmp_path / "dense"
    publish(folder, writer(b"old weights"))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_only_the_old_artifact(folder: Path, before: dict[str, bytes]) -> None:
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    verify(folder, read_manifest(folder))


def test_what_is_published_can_be_read_and_verified(artifact: Path) -> None:
    manifest = read_manifest(artifact)
    verify(artifact, manifest)
    assert manifest.files == {
        "model.onnx": FileRecord(bytes=11, sha256=hashlib.sha256(b"old weights").hexdigest()),
        "more/config.json": FileRecord(bytes=2, sha256=hashlib.sha256(b"{}").hexdigest()),
    }
    assert manifest.artifact_bytes == 13


def test_the_manifest_is_written_after_all_files(tmp_path: Path) -> None:
    def write(folder: Path) -> Manifest:
        assert not (folder / MANIFEST).exists()
        assert not (tmp_path / "dense").exists()
        return writer(b"weights")(folder)

    publish(tmp_path / "dense", write)
    assert (tmp_path / "dense" / MANIFEST).is_file()


def test_the_digest_depends_on_names_and_contents_only() -> None:
    one, two = FileRecord(bytes=1, sha256="a"), FileRecord(bytes=1, sha256="b")
    assert digest_of({"x": one, "y": two}) == digest_of({"y": two, "x": one})
    assert (
        len({digest_of(files) for files in ({"x": one, "y": two}, {"x": two, "y": one}, {"x": one}, {"z": one})}) == 4
    )


def test_publishing_again_leaves_nothing_of_the_old(artifact: Path) -> None:
    def write(folder: Path) -> Manifest:
        (folder / "other.onnx").write_bytes(b"new")
        return manifest_of(record_files(folder))

    publish(artifact, write)
    assert set(contents(artifact)) == {"other.onnx", MANIFEST}
    assert [path.name for path in artifact.parent.iterdir()] == ["dense"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_the_old_artifact(artifact: Path, error: type[BaseException]) -> None:
    before = contents(artifact)

    def write(folder: Path) -> Manifest:
        writer(b"half of the new")(folder)
        raise error

    with pytest.raises(error):
        publish(artifact, write)
    assert_only_the_old_artifact(artifact, before)


def test_a_disk_that_is_full_for_the_manifest_leaves_the_old_artifact(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(artifact)
    real = Path.write_text

    def full(path: Path, *arguments: object, **options: object) -> int:
        if path.name == MANIFEST:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        publish(artifact, writer(b"new weights"))
    assert_only_the_old_artifact(artifact, before)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    with tmpfs(tmp_path / "disk", "64k") as folder:
        yield folder


def test_a_disk_that_is_really_full_leaves_the_old_artifact(tiny_disk: Path) -> None:
    artifact = tiny_disk / "dense"
    publish(artifact, writer(b"old weights"))
    before = contents(artifact)
    with pytest.raises(OSError, match="No space left"):
        publish(artifact, writer(bytes(100_000)))
    assert_only_the_old_artifact(artifact, before)
    publish(artifact, writer(b"new weights"))
    assert (artifact / "model.onnx").read_bytes() == b"new weights"


def test_what_a_killed_build_left_behind_does_not_get_into_the_next(artifact: Path) -> None:
    stale = artifact.with_name(".dense.new")
    stale.mkdir()
    (stale / "stale.bin").write_bytes(b"stale")
    publish(artifact, writer(b"new weights"))
    assert set(contents(artifact)) == {"model.onnx", "more/config.json", MANIFEST}


def test_a_reader_never_misses_the_manifest_while_it_is_replaced(artifact: Path) -> None:
    probe = [artifact.with_name(name) for name in ("one", "two")]
    for folder in probe:
        folder.mkdir()
    if not _exchange(*probe):
        pytest.skip("no atomic exchange of folders on this file system")
    seen: set[int] = set()
    failures: list[Exception] = []
    finished = threading.Event()

    def reader() -> None:
        while not finished.is_set():
            try:
                seen.add(read_manifest(artifact).files["model.onnx"].bytes)
            except Exception as error:
                failures.append(error)
                return

    thread = threading.Thread(target=reader)
    thread.start()
    # Without the flushes of publish, which would only leave fewer chances to see a gap.
    for number in range(200):
        staging = artifact.with_name("staging")
        staging.mkdir()
        with_files(staging, {"model.onnx": FileRecord(bytes=number, sha256="0" * 64)})
        replace_folder(staging, artifact)
    finished.set()
    thread.join()
    assert not failures
    assert len(seen) > 1


def test_without_an_atomic_exchange_the_folder_is_still_replaced(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.artifacts.manifest._exchange", lambda first, second: False)
    publish(artifact, writer(b"new weights"))
    assert (artifact / "model.onnx").read_bytes() == b"new weights"
    assert [path.name for path in artifact.parent.iterdir()] == ["dense"]


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("atomic", [True, False])
def test_a_link_is_replaced_and_what_it_points_to_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool, atomic: bool
) -> None:
    if not atomic:
        monkeypatch.setattr("service.artifacts.manifest._exchange", lambda first, second: False)
    elsewhere, link = tmp_path / "elsewhere" / "dense", tmp_path / "artifacts" / "dense"
    if exists:
        publish(elsewhere, writer(b"old"))
    link.parent.mkdir()
    link.symlink_to(elsewhere)
    for weights in (b"new", b"newer"):
        manifest = publish(link, writer(weights))
        verify(link, manifest)
        assert not link.is_symlink()
        assert [path.name for path in link.parent.iterdir()] == ["dense"]
    if exists:
        assert b"old" in contents(elsewhere).values()


def refuse(folder: Path) -> str:
    """The message with which an artefact is refused."""
    with pytest.raises(ArtifactError) as caught:
        verify(folder, read_manifest(folder))
    return str(caught.value)


def test_a_changed_byte_is_found(artifact: Path) -> None:
    (artifact / "model.onnx").write_bytes(b"old weighty")
    assert refuse(artifact).startswith(f"{artifact / 'model.onnx'} does not match the SHA-256")


def test_a_truncated_file_is_found(artifact: Path) -> None:
    (artifact / "model.onnx").write_bytes(b"old")
    assert refuse(artifact).startswith(f"{artifact / 'model.onnx'} has 3 bytes where its manifest says 11")


def test_a_missing_file_is_found(artifact: Path) -> None:
    (artifact / "more" / "config.json").unlink()
    assert refuse(artifact).startswith(f"{artifact / 'more' / 'config.json'} cannot be read (No such file")


@pytest.mark.parametrize("name", ["config.json", "more/adapter.bin", "more/manifest.json"])
def test_a_file_that_the_manifest_does_not_list_is_found(artifact: Path, name: str) -> None:
    (artifact / name).write_text("{}")
    assert refuse(artifact).startswith(f"{artifact / name} is not in the manifest")


@pytest.mark.parametrize("kind", ["relative", "absolute", "link"])
def test_a_file_outside_the_artifact_is_refused_even_if_it_matches(artifact: Path, kind: str) -> None:
    outside = artifact.parent / "secret"
    outside.write_bytes(b"secret")
    (artifact / "link").symlink_to(outside)
    name = {"relative": "../secret", "absolute": str(outside), "link": "link"}[kind]
    with_files(artifact, {name: FileRecord(bytes=6, sha256=hashlib.sha256(b"secret").hexdigest())})
    message = refuse(artifact)
    assert str(artifact / MANIFEST) in message
    assert repr(name) in message


def test_a_file_name_that_no_file_can_have_is_refused(artifact: Path) -> None:
    with_files(artifact, {"model\0.onnx": FileRecord(bytes=6, sha256="0" * 64)})
    assert str(artifact / MANIFEST) in refuse(artifact)


def test_a_digest_that_is_not_of_its_files_is_refused(artifact: Path) -> None:
    manifest = read_manifest(artifact).model_copy(update={"digest": "0" * 64})
    (artifact / MANIFEST).write_text(manifest.model_dump_json())
    assert str(artifact / MANIFEST) in refuse(artifact)


def test_a_missing_manifest_says_how_to_build(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="build_models") as caught:
        read_manifest(tmp_path / "dense")
    assert str(tmp_path / "dense" / MANIFEST) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff", '{"format": 2}'])
def test_a_broken_manifest_is_named(artifact: Path, text: str) -> None:
    (artifact / MANIFEST).write_bytes(text.encode("latin-1"))
    assert refuse(artifact).startswith(f"{artifact / MANIFEST} cannot be read: ")


def test_a_manifest_with_a_wrong_field_names_the_field(artifact: Path) -> None:
    text = (artifact / MANIFEST).read_text()
    (artifact / MANIFEST).write_text(text.replace('"max_length": 16', '"max_length": 7'))
    assert "max_length" in refuse(artifact)
