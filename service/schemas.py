"""The shapes of requests and answers, as the OpenAPI document shows them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from service.manifest import Scores

# A body of half a million wrong items is refused at the first one.
Strings = Annotated[list[str], Field(fail_fast=True)]


def _never_null(schema: dict[str, Any]) -> None:
    """Null stands for a field that was not sent, and may not be sent itself."""
    del schema["default"]
    (sent,) = (option for option in schema.pop("anyOf") if option["type"] != "null")
    schema.update(sent)


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

    text: str | None = Field(None, description="One document", json_schema_extra=_never_null)
    texts: Strings | None = Field(None, description="Several documents", min_length=1, json_schema_extra=_never_null)
    tokens: Annotated[list[Strings], Field(fail_fast=True)] | None = Field(
        None,
        description="Sentences already split into words, as in CoNLL files",
        min_length=1,
        json_schema_extra=_never_null,
    )

    @property
    def lengths(self) -> list[int]:
        """Characters of each document."""
        documents = self.texts or self.tokens or [self.text or ""]
        return [len(document if isinstance(document, str) else " ".join(document)) for document in documents]

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


class Wish(BaseModel):
    """What ``variant=auto`` is asked for."""

    max_latency_ms: float | None = None
    min_f1: float | None = None


class ConsideredVariant(BaseModel):
    """A ready variant as ``auto`` sees it for a request of this length."""

    variant: str
    f1: float = Field(description="On the build's test split")
    latency_ms: float = Field(description="95th percentile from acceptance to answer, or an estimate by the warm-up")
    measured: Literal["live", "warm-up"]
    answers: int = Field(description="Answers lately to requests of about this length")
    fits: bool


class ChoiceAnswer(BaseModel):
    """Why ``auto`` took the variant that answered."""

    reason: str
    wish: Wish
    characters: int
    considered: list[ConsideredVariant]


class NerAnswer(BaseModel):
    """One result for each document, in order; ``variant`` is the one that gave them.

    The ``digest`` of its artefact goes into a header.
    """

    variant: str
    digest: SkipJsonSchema[str] = Field(exclude=True)
    results: list[ResultAnswer]
    timing: Timing
    choice: ChoiceAnswer | None = Field(None, description="Only for `variant=auto`")


class VariantAnswer(BaseModel):
    """A variant and where it stands. What only an artefact knows is null while there is none."""

    name: str
    technique: str
    runtime: str
    status: Literal["ready", "loading", "failed"]
    reason: str | None = Field(None, description="Why the variant, or a newer artefact of it, is not served")
    default: bool
    reference: bool = Field(description="Whether others are compared with it")
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


class Example(BaseModel):
    """One labelled sentence."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tokens: Strings
    labels: Annotated[Strings, Field(description="One IOB2 label for each token")]
    language: str | None = Field(None, description="ISO 639-3", max_length=20)


class AccuracyRequest(BaseModel):
    """Labelled data as CoNLL text or as examples; with neither, the test split that came with the build."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"conll": "Rais O\nWilliam B-PER\nRuto I-PER\n"}], "maxProperties": 1},
    )

    conll: str | None = Field(None, description="A word and its IOB2 label on a line, a blank line after each sentence")
    examples: Annotated[list[Example], Field(fail_fast=True)] | None = Field(None, description="Labelled sentences")

    @model_validator(mode="after")
    def _one_at_most(self) -> "AccuracyRequest":
        if self.conll is not None and self.examples is not None:
            raise PydanticCustomError("one_at_most", "Give conll or examples, not both")
        return self


IntervalAnswer = Annotated[tuple[float, float], Field(description="95% bootstrap interval over sentences")]


class IntervalsAnswer(BaseModel):
    precision: IntervalAnswer
    recall: IntervalAnswer
    f1: IntervalAnswer


class ScoreAnswer(BaseModel):
    """Micro scores, between 0 and 1; ``entities`` are those in the gold labels."""

    entities: int
    precision: float
    recall: float
    f1: float
    intervals: IntervalsAnswer


class ScoresAnswer(ScoreAnswer):
    """The same overall, per entity label and per language."""

    labels: dict[str, ScoreAnswer]
    languages: dict[str, ScoreAnswer]


class ReferenceAnswer(ScoresAnswer):
    variant: str


class DifferenceAnswer(BaseModel):
    """F1 of the variant less F1 of the reference; the interval is paired, over the same resampled sentences."""

    f1: float
    interval: IntervalAnswer


class DifferencesAnswer(DifferenceAnswer):
    labels: dict[str, DifferenceAnswer]
    languages: dict[str, DifferenceAnswer]


class AgreementAnswer(BaseModel):
    """How alike the predictions of variant and reference are, whatever the gold labels say."""

    f1: float = Field(description="Strict F1 of the variant's entities where the reference's are taken as gold")
    words: float = Field(description="Share of words with the same label")
    sentences: float = Field(description="Share of sentences labelled alike to the last word")


class DifferingSentence(BaseModel):
    """A sentence that variant and reference label differently, with the gold labels."""

    language: str
    tokens: list[str]
    labels: list[str]
    variant: list[str]
    reference: list[str]


class CheckedData(BaseModel):
    """The labelled data; the digest is of all of it, also where a language or a limit chose a part."""

    name: str
    digest: str


class AccuracyAnswer(ScoresAnswer):
    """How right the variant is, the same for the reference variant, and how the two differ."""

    variant: str
    mode: str
    data: CheckedData
    examples: int = Field(description="Sentences that were read")
    reference: ReferenceAnswer
    difference: DifferencesAnswer
    agreement: AgreementAnswer
    differing_share: float
    differing: list[DifferingSentence] = Field(description="Up to ten of them, spread over the data")
    inference_seconds: float = Field(description="In the models")
    seconds: float = Field(description="From the first sentence to the answer")


class Progress(BaseModel):
    """How far a check is, in sentences."""

    done: int
    total: int


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


class ErrorBody(BaseModel):
    code: str
    message: str
    details: dict[str, Any]


class ErrorAnswer(BaseModel):
    """The one shape of every refusal."""

    error: ErrorBody
