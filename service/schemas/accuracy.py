"""``POST /accuracy``: labelled sentences in, scores with intervals out."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from service.schemas.fields import Strings

SchemeName = Literal["iob2", "iob1", "io", "iobes", "bilou"]

IntervalAnswer = Annotated[tuple[float, float], Field(description="95% bootstrap interval over sentences")]


class Example(BaseModel):
    """One labelled sentence."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tokens: Strings
    labels: Annotated[Strings, Field(description="One label for each token, in any scheme that CoNLL may have")]
    language: str | None = Field(None, description="ISO 639-3", max_length=20)


class AccuracyRequest(BaseModel):
    """Labelled data as CoNLL text or as examples; with neither, the test split that came with the build."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"conll": "Rais O\nWilliam B-PER\nRuto I-PER\n"}], "maxProperties": 1},
    )

    conll: str | None = Field(
        None,
        description="Words and their labels in columns, a blank line after each sentence. IOB2; IOB1, IO, IOBES and"
        " BILOU are recognised and converted",
    )
    examples: Annotated[list[Example], Field(fail_fast=True)] | None = Field(None, description="Labelled sentences")

    @model_validator(mode="after")
    def _one_at_most(self) -> "AccuracyRequest":
        if self.conll is not None and self.examples is not None:
            raise PydanticCustomError("one_at_most", "Give conll or examples, not both")
        return self


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
    repaired: int = Field(description="Labels, in all of the data, that its scheme does not allow: an I- without B-")
    left_out: int = Field(description="Empty tokens, in all of the data")
    notes: list[str] = Field(description="What was recognised, converted, repaired and left out")
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
