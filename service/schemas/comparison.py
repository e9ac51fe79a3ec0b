"""``POST /compare``: one document in, the answer of every variant out."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.schemas.ner import EntityAnswer, Timing


class CompareRequest(BaseModel):
    """One document for every variant that is ready."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"text": "Rais William Ruto alikutana na wajumbe wa UNICEF mjini Nairobi."}]},
    )

    text: str


class Relabelled(BaseModel):
    """The same words, another label."""

    entity: EntityAnswer
    reference_label: str


class EntityDifference(BaseModel):
    """How entities differ from the reference's, by exact place."""

    missing: list[EntityAnswer] = Field(description="Only the reference has them")
    extra: list[EntityAnswer] = Field(description="The reference has them not")
    relabelled: list[Relabelled]


class ComparedVariant(BaseModel):
    """One variant's answer; ``difference`` is null while there is no reference to compare with."""

    variant: str
    entities: list[EntityAnswer]
    timing: Timing
    difference: EntityDifference | None = None


class NotReady(BaseModel):
    variant: str
    status: Literal["loading", "failed"]
    reason: str | None


class FailedVariant(BaseModel):
    """A ready variant that gave no answer; ``code`` and ``message`` are those of its refusal when asked alone."""

    variant: str
    code: str
    message: str


class CompareAnswer(BaseModel):
    """The answers of every ready variant, and those that could not answer."""

    reference: str
    variants: list[ComparedVariant]
    failed: list[FailedVariant]
    not_ready: list[NotReady]
