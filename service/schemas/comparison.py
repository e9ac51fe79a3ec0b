"""``POST /compare``: one document in, the answers of all variants out."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.schemas.ner import EntityAnswer, Timing


class CompareRequest(BaseModel):
    """A document for all ready variants."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"text": "Rais William Ruto alikutana na wajumbe wa UNICEF mjini Nairobi."}]},
    )

    text: str


class Relabelled(BaseModel):
    """An entity with the same span as one of the reference, but another label."""

    entity: EntityAnswer
    reference_label: str


class EntityDifference(BaseModel):
    """Differences from the reference's entities, by exact span."""

    missing: list[EntityAnswer] = Field(description="Entities that only the reference has")
    extra: list[EntityAnswer] = Field(description="Entities that the reference does not have")
    relabelled: list[Relabelled]


class ComparedVariant(BaseModel):
    """The answer of a variant; ``difference`` is null if the reference has no answer."""

    variant: str
    entities: list[EntityAnswer]
    timing: Timing
    difference: EntityDifference | None = None


class NotReady(BaseModel):
    variant: str
    status: Literal["loading", "failed"]
    reason: str | None


class FailedVariant(BaseModel):
    """A ready variant that failed, with the error that /ner would return."""

    variant: str
    code: str
    message: str


class CompareAnswer(BaseModel):
    """The answers of all ready variants, and the variants without an answer."""

    reference: str
    variants: list[ComparedVariant]
    failed: list[FailedVariant]
    not_ready: list[NotReady]
