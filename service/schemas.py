"""The shapes of requests and answers, as the OpenAPI document shows them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from service.manifest import Scores

# A body of half a million wrong items is refused at the first one.
Strings = Annotated[list[str], Field(fail_fast=True)]


class NerRequest(BaseModel):
    """Exactly one of ``text``, ``texts`` and ``tokens``."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"text": "Rais William Ruto alikutana na wajumbe wa UNICEF mjini Nairobi siku ya Jumatatu."}],
            "minProperties": 1,
            "maxProperties": 1,
        },
    )

    text: str | None = Field(None, description="One document")
    texts: Strings | None = Field(None, description="Several documents", min_length=1)
    tokens: Annotated[list[Strings], Field(fail_fast=True)] | None = Field(
        None, description="Sentences already split into words, as in CoNLL files", min_length=1
    )

    @model_validator(mode="before")
    @classmethod
    def _exactly_one(cls, value: Any) -> Any:
        given = [name for name in ("text", "texts", "tokens") if isinstance(value, dict) and name in value]
        if isinstance(value, dict) and len(given) != 1:
            raise PydanticCustomError(
                "exactly_one",
                "Give exactly one of text, texts and tokens, not {given}",
                {"given": " and ".join(given) or "none"},
            )
        return value

    @field_validator("text", "texts", "tokens", mode="before")
    @classmethod
    def _not_null(cls, value: Any) -> Any:
        if value is None:
            raise PydanticCustomError("not_null", "Must not be null")
        return value


class EntityAnswer(BaseModel):
    """A named entity. ``start`` and ``end`` (exclusive) count code points of the text, or words for ``tokens``."""

    label: str = Field(examples=["LOC"])
    text: str = Field(examples=["Nairobi"])
    start: int
    end: int
    score: float = Field(description="Mean probability of the label over the entity's words, 0 to 1")


class ResultAnswer(BaseModel):
    """What was found in one document."""

    entities: list[EntityAnswer]
    labels: list[str] | None = Field(default=None, description="For tokens: an IOB2 label for each word")


class Timing(BaseModel):
    """Milliseconds on the server: waiting for a turn, in the model, and from the first byte to the answer."""

    queue_ms: float
    inference_ms: float
    total_ms: float


class NerAnswer(BaseModel):
    """One result for each document, in order; ``variant`` is the one that gave them."""

    variant: str
    results: list[ResultAnswer]
    timing: Timing


class VariantAnswer(BaseModel):
    """A variant and where it stands. What only an artefact knows is null while there is none."""

    name: str
    technique: str
    runtime: str
    status: Literal["ready", "loading", "failed"]
    reason: str | None = Field(None, description="Why the variant is not ready")
    default: bool
    parameters: int | None = None
    nonzero_parameters: int | None = None
    sparsity: float | None = None
    artifact_bytes: int | None = None
    resident_bytes: int | None = Field(None, description="Growth of the process's resident memory by loading it")
    labels: list[str] | None = None
    languages: list[str] | None = None
    metrics: "MetricsAnswer | None" = None
    base_model: str | None = None
    recipe: dict[str, Any] | None = None
    digest: str | None = None
    built_at: datetime | None = None


class MetricsAnswer(BaseModel):
    """Strict IOB2 scores that the build measured, and the data that they were measured on."""

    data: str
    data_digest: str
    dev: Scores | None = None
    test: Scores | None = None


class ErrorBody(BaseModel):
    code: str
    message: str
    details: dict[str, Any]


class ErrorAnswer(BaseModel):
    """The one shape of every refusal."""

    error: ErrorBody
