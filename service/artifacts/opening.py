"""Loads the pipeline of an artefact."""

from collections.abc import Callable
from pathlib import Path

from service.artifacts.manifest import ArtifactError, Manifest, check_variant, read_manifest, verify
from service.artifacts.memory import give_back
from service.artifacts.transitions import read_transitions
from service.artifacts.warm_up import warm_up
from service.ner.encoder import Encoder
from service.ner.pipeline import Pipeline, Runtime
from service.runtimes import load_runtime
from service.variants import Runtime as RuntimeName
from service.variants import Variant

EXTRA = "int8"
"""The extra of the package that installs the runtimes in PyTorch."""

LoadRuntime = Callable[[RuntimeName, Path, int], Runtime]


def open_pipeline(folder: Path, manifest: Manifest, threads: int, load_runtime: LoadRuntime = load_runtime) -> Pipeline:
    """The pipeline of an artefact whose files have been verified."""
    runtime = load_runtime(manifest.runtime, folder, threads)
    give_back()
    return Pipeline(
        runtime,
        Encoder.from_folder(folder, manifest.max_length, manifest.overlap),
        manifest.labels,
        manifest.digest,
        read_transitions(folder, manifest.labels),
        manifest.scheme,
    )


def open_variant(artifacts: Path, variant: Variant, threads: int, verified: str | None = None) -> Pipeline:
    """The warmed-up pipeline of a variant. Raises ``ArtifactError``.

    ``verified`` is the digest of the artefact if another process has verified its files: then only their list is read.
    """
    folder = artifacts / variant.name
    manifest = read_manifest(folder)
    check_variant(variant, manifest, folder)
    if verified is None:
        verify(folder, manifest)
    pipeline = open_pipeline(folder, manifest, threads)
    if read_manifest(folder).digest != (verified or manifest.digest):
        raise ArtifactError(f"{folder} was replaced while it was read: run the command again")
    warm_up(pipeline, folder)
    return pipeline
