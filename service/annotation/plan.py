"""The settings and the summary of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.annotation.documents import Limits
from service.annotation.inputs.records import Reading
from service.schemas.ner import Wish


@dataclass(frozen=True)
class Plan:
    """A run's settings."""

    inputs: tuple[Path, ...]
    out: Path
    artifacts: Path
    variant: str
    wish: Wish
    variants: tuple[str, ...]
    form: str
    reading: Reading
    limits: Limits
    workers: int
    overwrite: bool = False
    quiet: bool = False

    def settings(self, variant: str, digest: str) -> dict[str, Any]:
        """What all outputs depend on. How inputs are read is not in it: it shows in their records."""
        return {
            "variant": self.variant,
            "wish": self.wish.model_dump(),
            "taken variant": variant,
            "artefact": digest,
            "format": self.form,
            "limits": self.limits._asdict(),
        }


@dataclass
class Summary:
    """The result of a run; ``failed`` documents and ``unreadable`` inputs have no answer."""

    variant: str
    documents: int = 0
    failed: int = 0
    unreadable: int = 0
    earlier: int = 0
    restarts: int = 0
    seconds: float = 0.0
    import_seconds: float = 0.0
