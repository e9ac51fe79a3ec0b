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
    labels: list[str] | None = None
    languages: list[str] | None = None
    metrics: "MetricsAnswer | None" = None
    base_model: str | None = None
    recipe: dict[str, Any] | None = None
    digest: str | None = None
    built_at: datetime | None = None


class MetricsAnswer(BaseModel):
    """Strict IOB2 scores measured by the build, and the data that they were measured on."""

    data: str
    data_digest: str
    dev: Scores | None = None
    test: Scores | None = None
