"""Brings back the artefacts that the last build replaced: ``python -m build_models rollback``."""

from pathlib import Path
from typing import Annotated

import typer

from build_models.commands.command_line import errors_in_a_line
from build_models.errors import BuildError, refuse_unknown
from build_models.workspace.replaced import DATA, last_replaced
from build_models.workspace.workspace import WORKSPACE, Workspace
from service.artifacts.manifest import PREVIOUS, ArtifactError, Manifest, exchange_folders, read_manifest, verify
from service.variants import KNOWN_VARIANTS


def rollback(artifacts: Path, variants: list[str]) -> dict[str, Manifest]:
    """Exchange the artefacts that the last build replaced with those kept from before; return what is in place now.

    Of ``variants``, only those that this one build replaced: what earlier builds replaced does not go with them. Its
    test split goes back too, unless some of its variants stay. Every kept artefact is verified before any is moved.
    Raises ``BuildError`` if there is none, if one is damaged, or if a build is at work.
    """
    refuse_unknown(variants, KNOWN_VARIANTS)
    if not last_replaced(artifacts):
        raise BuildError(f"{artifacts / PREVIOUS} holds nothing to bring back: no build has replaced any.")
    with Workspace(artifacts / WORKSPACE).locked():
        replaced = last_replaced(artifacts)
        kept = {name: artifacts / PREVIOUS / name for name in replaced if name in variants}
        if not kept:
            raise BuildError(f"The last build replaced {', '.join(replaced)}, and nothing of {', '.join(variants)}.")
        manifests = verified(kept)
        if DATA in replaced and len(kept) == len(replaced) - 1:
            kept[DATA] = artifacts / PREVIOUS / DATA
        for name, folder in kept.items():
            if (artifacts / name).exists():
                exchange_folders(folder, artifacts / name)
            else:
                folder.rename(artifacts / name)
    return manifests


def verified(kept: dict[str, Path]) -> dict[str, Manifest]:
    """The manifests of whole artefacts. Raises ``BuildError`` if one is damaged."""
    manifests = {}
    for name, folder in kept.items():
        try:
            manifests[name] = read_manifest(folder)
            verify(folder, manifests[name])
        except ArtifactError as error:
            raise BuildError(f"Nothing was changed, for the artefact from before is damaged: {error}") from error
    return manifests


def command(
    out: Annotated[Path, typer.Option(help="The folder of the artefacts.")] = Path("artifacts"),
    variants: Annotated[str, typer.Option(help="Which variants.")] = ",".join(KNOWN_VARIANTS),
) -> None:
    """Bring back the artefacts that the last build replaced. Done twice, it changes nothing.

    A running service takes them on SIGHUP, or by itself where NER_RELOAD_SECONDS says so.
    """
    with errors_in_a_line():
        for name, manifest in rollback(out, variants.split(",")).items():
            typer.echo(f"{name}: {manifest.digest[:12]}, built at {manifest.built_at:%Y-%m-%d %H:%M:%S}")
