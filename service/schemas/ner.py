"""``POST /ner``: documents in, entities out."""

from itertools import compress
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from service.ner.decoding import drop_entities
from service.schemas.fields import Strings, never_null


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

    text: str | None = Field(None, description="One document", json_schema_extra=never_null)
    texts: Strings | None = Field(None, description="Several documents", min_length=1, json_schema_extra=never_null)
    tokens: Annotated[list[Strings], Field(fail_fast=True)] | None = Field(
        None,
        description="Sentences already split into words, as in CoNLL files",
        min_length=1,
        json_schema_extra=never_null,
    )

    @property
    def lengths(self) -> list[int]:
        """The number of characters of each document."""
        documents = self.texts or self.tokens or [self.text or ""]
        return [len(document if isinstance(document, str) else " ".join(document)) for document in documents]

    @model_validator(mode="before")
    @classmethod
    def _exactly_one(cls, value: Any) -> Any:
        given = [name for name in ("text", "texts", "tokens") if isinstance(value, dict) and name in value]
        if isinstance(value, dict) and len(given) != 1:
            raise PydanticCustomError(
                "exactly_one",
                "Pass exactly one of text, texts and tokens, not {given}",
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
    """The entities of one document."""

    entities: list[EntityAnswer]
    labels: list[str] | None = Field(default=None, description="IOB2 label of each word, only for `tokens`")

    def at_least(self, score: float) -> "ResultAnswer":
        """Without the entities below ``score``; the labels of their words become O."""
        kept = [entity.score >= score for entity in self.entities]
        if all(kept):
            return self
        changed: dict[str, Any] = {"entities": list(compress(self.entities, kept))}
        if self.labels is not None:
            changed["labels"] = drop_entities(self.labels, kept)
        return self.model_copy(update=changed)


class Timing(BaseModel):
    """Server-side milliseconds: queueing, inference, and the total from the first byte to the response."""

    queue_ms: float
    inference_ms: float
    total_ms: float


class Wish(BaseModel):
    """The requirements of a request with ``variant=auto``."""

    max_latency_ms: float | None = None
    min_f1: float | None = None


class ConsideredVariant(BaseModel):
    """A ready variant as considered by ``auto`` for a request of this length."""

    variant: str
    f1: float | None = Field(description="F1 on the build's test split, or else dev; null if the build had no labels")
    latency_ms: float = Field(description="p95 latency, or an estimate from the warm-up")
    measured: Literal["live", "warm-up"]
    answers: int = Field(description="Number of recent answers to requests of about this length")
    fits: bool


class ChoiceAnswer(BaseModel):
    """Why ``auto`` chose the variant."""

    reason: str
    wish: Wish
    characters: int
    considered: list[ConsideredVariant]


class NerAnswer(BaseModel):
    """One result per document, in order, and the ``variant`` that computed them."""

    variant: str
    digest: SkipJsonSchema[str] = Field(exclude=True)
    results: list[ResultAnswer]
    timing: Timing
    choice: ChoiceAnswer | None = Field(None, description="Only for `variant=auto`")

    def at_least(self, score: float) -> "NerAnswer":
        """Without the entities below ``score``."""
        return self.model_copy(update={"results": [result.at_least(score) for result in self.results]})
