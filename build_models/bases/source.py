"""What a build starts from: a base to fine-tune, or a fine-tuned classifier."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from transformers import AutoConfig

from build_models.bases.base import describe, import_base, make_base
from build_models.bases.checkpoints import imported_commit, is_hub_id, read_source
from build_models.bases.classifier import Head, Wanted, import_classifier, imported_head
from build_models.data.datasets import Dataset
from build_models.errors import BuildError
from build_models.hub import commit_of
from build_models.progress import say
from build_models.settings import BuildSettings
from build_models.workspace.workspace import Workspace, result_digest
from service.artifacts.manifest import file_sha256


@dataclass(frozen=True)
class Source:
    """A checkpoint in the workspace and its name in manifests. Only a given classifier has a ``head``. ``licence`` is
    what its model card says."""

    folder: Path
    name: str
    revision: str | None
    head: Head | None = None
    licence: str | None = None
    on_hub: bool = False
    made_here: bool = False

    @cached_property
    def digest(self) -> str:
        return result_digest(self.folder)

    @cached_property
    def width(self) -> int:
        return int(AutoConfig.from_pretrained(self.folder, local_files_only=True).hidden_size)


def open_given(settings: BuildSettings, workspace: Workspace) -> Source:
    """Import the classifier that ``settings.model`` names."""
    wanted = Wanted(str(settings.model), settings.model_revision, settings.labels, settings.model_scheme)
    inputs = {
        **_given("model", wanted.name, wanted.revision, settings, workspace),
        **wanted._asdict(),
        "overlap": settings.overlap,
    }
    folder = workspace.stage(
        "model", inputs, lambda result, _: import_classifier(wanted, settings.max_length, settings.overlap, result)
    )
    return _imported(folder, wanted.name, wanted.revision, imported_head(folder))


def open_base(settings: BuildSettings, dataset: Dataset, workspace: Workspace) -> Source:
    """Import the base that ``settings.base`` names, or train one on the dataset."""
    if settings.base is not None:
        name = settings.base
        revision = settings.base_revision
        inputs = {**_given("base", name, revision, settings, workspace), "revision": revision}
        folder = workspace.stage(
            "base", inputs, lambda result, _: import_base(name, revision, settings.max_length, result)
        )
        return _imported(folder, name, revision)
    texts = [" ".join(sentence.words) for sentence in dataset.train]
    made = {
        "stage": "base",
        "data": dataset.digest,
        "seed": settings.seed,
        "max_length": settings.max_length,
        **describe(settings.from_scratch),
    }
    folder = workspace.stage(
        "base",
        made,
        lambda result, state: make_base(
            texts, settings.from_scratch, settings.max_length, settings.seed, result, state
        ),
    )
    return Source(folder, f"from scratch on {dataset.name} ({settings.from_scratch.shape})", None, made_here=True)


def _imported(folder: Path, name: str, revision: str | None, head: Head | None = None) -> Source:
    """The commit of the hub says more than a branch that was asked for; a folder has none."""
    record = read_source(folder)
    return Source(folder, _shown(name), record["commit"] or revision, head, record["licence"], not Path(name).is_dir())


def _given(
    stage: str, name: str, revision: str | None, settings: BuildSettings, workspace: Workspace
) -> Mapping[str, object]:
    """What a stage that imports a checkpoint depends on: of a folder, its files; of the hub, the commit."""
    inputs: dict[str, object] = {"stage": stage, stage: name, "max_length": settings.max_length}
    if Path(name).is_dir():
        inputs["files"] = {path.name: file_sha256(path) for path in sorted(Path(name).iterdir()) if path.is_file()}
    elif is_hub_id(name):
        inputs["commit"] = _commit(name, revision, workspace.folder / stage)
    return inputs


def _commit(name: str, revision: str | None, imported: Path) -> str | None:
    """The commit that the hub resolves the revision to; if it cannot be asked, that of the last import or download.

    Raises ``BuildError`` if the hub refuses access and nothing was imported before.
    """
    before = imported_commit(imported, name, revision)
    try:
        return commit_of(name, "model", revision, before)
    except BuildError as error:
        if before is None:
            raise
        say(f"{error}. What was imported before, of the commit {before}, is kept if it still fits")
        return before


def _shown(name: str) -> str:
    """A folder's name without its path, which would reveal the user's file system."""
    return Path(name).resolve().name if Path(name).is_dir() else name
