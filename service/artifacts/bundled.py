"""The artefact that is installed with Kidogo."""

from pathlib import Path

from service.artifacts.manifest import MANIFEST

BUNDLED = Path(__file__).parents[1] / "bundled"
"""Its folder, laid out like the output of a build with ``BUNDLED_VARIANT`` only."""


USUAL = Path("artifacts")
"""Where a build puts its artefacts unless it is told otherwise, in the current folder."""


def has_artifacts(folder: Path) -> bool:
    return any(folder.glob(f"*/{MANIFEST}"))


def given_or_bundled(given: str | Path | None) -> Path:
    """The folder that was given; without one, ``USUAL``, or ``BUNDLED`` if that has no artefacts."""
    if given:
        return Path(given).resolve()
    usual = USUAL.resolve()
    return usual if has_artifacts(usual) else BUNDLED
