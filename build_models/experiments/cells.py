"""A cell of a grid: all settings that its scores depend on. Its digest names its result file."""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from build_models.settings import FinetuneSettings

INT8_THRESHOLD = 6.0
"""Activations at or beyond it are multiplied in 16 bits (Dettmers et al. 2022); at 0 none are."""

DATA_SEED = 42
"""Seed of the bundled sample; the seeds of cells apply to training only."""

UNSEEN = ("fon", "bam", "zho")
"""The paper's languages without fine-tuning."""

SAMPLE = "sample"
"""Name of the bundled sample."""

Tests = Literal["own", "crosslingual", "robustness"]
VariantName = Literal["dense", "pruned", "distilled", "int8", "dynamic", "distilled-dynamic", "pocket"]


class Cell(BaseModel):
    """A variant built by its recipe for one base, language and seed, and the tests to score it on.

    ``language`` may be several, with commas between them: one model of all.

    Bases, data and corpus are identified by digest, so results stay valid when they move. The test data of unseen
    languages is not: use another results folder for other data.
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
    seed: int = Field(ge=0, lt=2**63)
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
    student_epochs: int | None = Field(None, ge=1)
    agnostic_steps: int = Field(0, ge=0)
    corpus: str | None = None
    corpus_digest: str | None = None
    corpus_lines: int | None = Field(None, ge=1)
    unseen_sentences: int | None = Field(None, ge=1)
    int8_threshold: float = Field(INT8_THRESHOLD, ge=0.0)
    int8_classifier: bool = False
    outliers: float = Field(1.0, ge=1.0)
    pocket_hidden_epochs: int | None = Field(None, ge=0)
    pocket_epochs: int | None = Field(None, ge=1)

    @property
    def digest(self) -> str:
        """Digest of the settings that differ from the defaults, so that adding a setting keeps existing digests."""
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()[:20]

    @property
    def as_shipped(self) -> bool:
        """Whether LLM.int8() has its usual settings and model; others are tried for what they lose."""
        return self.outliers == 1 and self.int8_threshold == INT8_THRESHOLD and not self.int8_classifier

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.language.split(","))

    @property
    def regularized(self) -> bool:
        return self.finetune == self.finetune.regularized()

    @property
    def usual(self) -> bool:
        """Whether the cell belongs in the tables of all techniques: one language, trained without noise, as shipped."""
        return self.as_shipped and len(self.languages) == 1 and not self.finetune.noise_share

    @property
    def technique(self) -> str:
        """A description of the compression; equal for cells that differ only in language and seed."""
        parts: list[str] = [self.variant]
        if self.variant == "pruned":
            parts = [f"pruned {self.sparsity:.0%} {'after' if self.prune_after else 'before'}"]
            if self.recovery_epochs:
                parts.append(f"{self.recovery_epochs} epochs of recovery")
            if self.prune_embeddings:
                parts.append("embeddings too")
        elif self.variant.startswith("distilled"):
            parts.append("task-agnostic" if self.agnostic_steps else "task-specific")
            parts.append(f"T {self.temperature:g}")
            parts.append(f"{self.student_layers or 'half the'} layer{'' if self.student_layers == 1 else 's'}")
            if self.student_heads:
                parts.append(f"{self.student_heads} heads")
            if self.student_epochs:
                parts.append(f"{self.student_epochs} epochs")
        elif self.variant == "int8":
            if self.int8_threshold != INT8_THRESHOLD:
                parts.append(f"threshold {self.int8_threshold:g}")
            if self.int8_classifier:
                parts.append("classifier too")
        elif self.variant == "pocket" and self.pocket_epochs:
            parts.append(f"{self.pocket_hidden_epochs or 0} + {self.pocket_epochs} epochs")
        if len(self.languages) > 1:
            parts.append("all languages")
        if self.finetune.noise_share:
            parts.append("trained with noise")
        if self.outliers > 1:
            parts.append(f"activations with outliers x {self.outliers:g}")
        return ", ".join(parts)

    def __str__(self) -> str:
        return f"{self.technique} ({self.base}, {self.language}, seed {self.seed})"
