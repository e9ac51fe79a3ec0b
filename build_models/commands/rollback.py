"""``python -m build_models rollback``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from build_models.commands.command_line import report_errors, split_names
from build_models.errors import BuildError, refuse_unknown
from build_models.workspace.replaced import DATA, Replacements, replaced
from build_models.workspace.workspace import Workspace
from service.artifacts.building import WORKSPACE
from service.artifacts.manifest import PREVIOUS, ArtifactError, Manifest, exchange_folders, read_manifest, verify
from service.variants import KNOWN_VARIANTS


def rollback(artifacts: Path, variants: Sequence[str]) -> dict[str, Manifest]:
    """Swap artefacts with those from before the last build that replaced any; return the restored manifests.

    Only those of ``variants`` that differ are swapped. The test split is swapped, too, unless some variants that differ
    stay. All previous versions are verified before any is moved. Raises ``BuildError`` if nothing differs, a previous
    version is damaged, or a build is running.
    """
    refuse_unknown(variants, KNOWN_VARIANTS)
    if not replaced(artifacts):
        raise BuildError(
            f"{artifacts / PREVIOUS} has nothing to restore: no build has replaced anything, or all of it is"
            " there again."
        )
    with Workspace(artifacts / WORKSPACE).locked():
        differing = replaced(artifacts)
        kept = {name: artifacts / PREVIOUS / name for name in differing if name in variants}
        if not kept and differing != [DATA]:
            raise BuildError(f"The last build replaced {', '.join(differing)}, but not {', '.join(variants)}.")
        manifests = verified(kept)
        if DATA in differing and len(kept) == len(differing) - 1:
            kept[DATA] = artifacts / PREVIOUS / DATA
        for name, folder in kept.items():
            swap(folder, artifacts / name)
        # The next build does not continue one that was killed.
        Replacements(artifacts).finish()
    return manifests


def swap(first: Path, second: Path) -> None:
    """Swap two folders, of which one may be missing."""
    if first.exists() and second.exists():
        exchange_folders(first, second)
    elif first.exists():
        first.rename(second)
    elif second.exists():
        second.rename(first)


def verified(kept: dict[str, Path]) -> dict[str, Manifest]:
    """The manifests of the artefacts after verifying them. Raises ``BuildError`` if one is damaged."""
    manifests = {}
    for name, folder in kept.items():
        try:
            manifests[name] = read_manifest(folder)
            verify(folder, manifests[name])
        except ArtifactError as error:
            raise BuildError(f"Nothing was changed, because a previous artefact is damaged: {error}") from error
    return manifests


def command(
    out: Annotated[Path, typer.Option("--out", "--artifacts", help="Folder of the artefacts.")] = Path("artifacts"),
    variants: Annotated[str, typer.Option(help="Variants to restore.")] = ",".join(KNOWN_VARIANTS),
) -> None:
    """Restore the artefacts and the test split from before the last build that replaced any. A second rollback undoes
    the first.

    A running service reloads them on SIGHUP, or on its own if NER_RELOAD_SECONDS is set.
    """
    with report_errors():
        for name, manifest in rollback(out, split_names(variants)).items():
            typer.echo(f"{name}: {manifest.digest[:12]}, built at {manifest.built_at:%Y-%m-%d %H:%M:%S}")
