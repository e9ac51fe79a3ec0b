"""A cell of a grid: everything that decides its scores, and nothing else. Its digest names its result file."""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from build_models.settings import FinetuneSettings

DATA_SEED = 42
"""Of the bundled sample, where that is the data: the cells' own seeds are for training alone."""

SAMPLE = "sample"
"""The name of the bundled sample among data."""

Tests = Literal["own", "crosslingual", "robustness"]
VariantName = Literal["dense", "pruned", "distilled", "int8", "dynamic"]


class Cell(BaseModel):
    """A variant made by the build's own recipe, for one base, language and seed, and what it is tested on.

    Bases, data and the corpus of task-agnostic distillation stand here by digest, so that a result stays good wherever
    they are moved to. The sentences of unseen languages do not: results on others need another folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: VariantName
    tests: Tests = "own"
    base: str
    base_digest: str
    data: str
    data_digest: str
    sample_sentences: int = Field(6000, ge=10)
    language: str
    seed: int
    threads: int = Field(1, ge=1)
    max_length: int = Field(160, ge=16)
    overlap: int = Field(40, ge=0)
    finetune: FinetuneSettings
    sparsity: float = Field(0.0, ge=0.0, lt=1.0)
    prune_after: bool = False
    prune_embeddings: bool = False
    recovery_epochs: int = Field(0, ge=0)
    temperature: float | None = Field(None, gt=0.0)
    student_layers: int | None = Field(None, ge=1)
    student_heads: int | None = Field(None, ge=1)
    agnostic_steps: int = Field(0, ge=0)
    corpus: str | None = None
    corpus_digest: str | None = None
    corpus_lines: int | None = Field(None, ge=1)

    @property
    def digest(self) -> str:
        """Over what differs from the defaults, so that a setting that comes later changes no digest of before."""
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()[:20]

    @property
    def technique(self) -> str:
        """What was done to the model, in words; cells that differ only in language and seed have the same."""
        parts: list[str] = [self.variant]
        if self.variant == "pruned":
            parts = [f"pruned {self.sparsity:.0%} {'after' if self.prune_after else 'before'}"]
            if self.recovery_epochs:
                parts.append(f"{self.recovery_epochs} epochs of recovery")
            if self.prune_embeddings:
                parts.append("embeddings too")
        elif self.variant == "distilled":
            parts.append("task-agnostic" if self.agnostic_steps else "task-specific")
            parts.append(f"T {self.temperature:g}")
            parts.append(f"{self.student_layers or 'half the'} layers")
            if self.student_heads:
                parts.append(f"{self.student_heads} heads")
        return ", ".join(parts)

    def __str__(self) -> str:
        return f"{self.technique} ({self.base}, {self.language}, seed {self.seed})"
