"""``GET /variants``: properties and scores of the variants."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from service.artifacts.manifest import Scores


class VariantAnswer(BaseModel):
    """A variant and its status. Properties of the artefact are null if there is none."""

    name: str
    technique: str
    runtime: str
    status: Literal["ready", "loading", "failed"]
    reason: str | None = Field(None, description="Why the variant, or a newer artefact of it, is not served")
    default: bool
    reference: bool = Field(description="Whether other variants are compared with it")
    parameters: int | None = None
    nonzero_parameters: int | None = None
    sparsity: float | None = None
    artifact_bytes: int | None = None
    resident_bytes: int | None = Field(None, description="Growth of the process's resident memory when it was loaded")
    inference_ms: float | None = Field(
        None, description="Median time in the model of up to 200 answers of this process; null before the fifth"
    )
    labels: list[str] | None = None
    languages: list[str] | None = None
    metrics: "MetricsAnswer | None" = Field(None, description="Null where nothing was measured")
    base_model: str | None = None
    recipe: dict[str, Any] | None = None
    digest: str | None = None
    built_at: datetime | None = None


class MetricsAnswer(BaseModel):
    """Strict IOB2 scores that the build measured, and the data that they were measured on.

    ``dev`` and ``test`` are F1 against labels that people gave. ``agreement`` is F1 against the answers of the
    reference, on texts without labels: how much compression changed, not how right a variant is.
    """

    data: str
    data_digest: str
    dev: Scores | None = None
    test: Scores | None = None
    agreement: Scores | None = Field(None, description="Against the reference's entities, on texts without labels")
