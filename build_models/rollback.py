"""Brings back the artefacts that the last build replaced: ``python -m build_models rollback``."""

from pathlib import Path
from typing import Annotated

import typer

from build_models.command_line import errors_in_a_line
from build_models.errors import BuildError
from service.manifest import PREVIOUS, ArtifactError, Manifest, exchange_folders, read_manifest, verify
from service.variants import VARIANTS


def rollback(artifacts: Path, variants: list[str]) -> dict[str, Manifest]:
    """Exchange the artefacts of the variants with those kept from before, and return what is in place now.

    Variants without a kept artefact stay as they are. Every kept one is verified before any is moved. Raises
    ``BuildError`` if there is none, or if one is damaged.
    """
    unknown = [name for name in variants if name not in VARIANTS]
    if unknown:
        raise BuildError(f"There is no variant {', '.join(unknown)}. Choose from: {', '.join(VARIANTS)}.")
    kept = {name: artifacts / PREVIOUS / name for name in variants if (artifacts / PREVIOUS / name).exists()}
    if not kept:
        raise BuildError(f"{artifacts / PREVIOUS} holds nothing of {', '.join(variants)}: no build has replaced any.")
    manifests = {}
    for name, folder in kept.items():
        try:
            manifests[name] = read_manifest(folder)
            verify(folder, manifests[name])
        except ArtifactError as error:
            raise BuildError(f"Nothing was changed, for the artefact from before is damaged: {error}") from error
    for name, folder in kept.items():
        if (artifacts / name).exists():
            exchange_folders(folder, artifacts / name)
        else:
            folder.rename(artifacts / name)
    return manifests


def command(
    out: Annotated[Path, typer.Option(help="The folder of the artefacts.")] = Path("artifacts"),
    variants: Annotated[str, typer.Option(help="Which variants.")] = ",".join(VARIANTS),
) -> None:
    """Bring back the artefacts that the last build replaced. Done twice, it changes nothing.

    A running service takes them on SIGHUP, or by itself where NER_RELOAD_SECONDS says so.
    """
    with errors_in_a_line():
        for name, manifest in rollback(out, variants.split(",")).items():
            typer.echo(f"{name}: {manifest.digest[:12]}, built at {manifest.built_at:%Y-%m-%d %H:%M:%S}")
