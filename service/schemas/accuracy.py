"""``POST /accuracy``: labelled sentences in, scores with intervals out."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from service.schemas.fields import Strings

SchemeName = Literal["iob2", "iob1", "io", "iobes", "bilou"]

MistakeKind = Literal["missed", "spurious", "wrong_border", "wrong_type"]
MISTAKES: tuple[MistakeKind, ...] = get_args(MistakeKind)

NoiseName = Literal["lower", "upper", "title", "diacritics", "typos"]

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
        " BILOU are recognized and converted",
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


class MistakeCounts(BaseModel):
    """Every gold entity is right or has one of the mistakes missed, wrong border and wrong type."""

    missed: int = Field(description="Gold entities that no predicted entity overlaps")
    spurious: int = Field(description="Predicted entities that overlap no gold entity")
    wrong_border: int = Field(description="Gold entities found with their label, but with other first or last words")
    wrong_type: int = Field(description="Gold entities that only entities of other labels overlap")


class MistakesAnswer(MistakeCounts):
    """The counts overall, per entity label (the gold one; the predicted one if spurious) and per language."""

    labels: dict[str, MistakeCounts]
    languages: dict[str, MistakeCounts]


class CalibrationBin(BaseModel):
    """Predicted entities with a score from ``low`` to below ``high``; the last bin includes 1."""

    low: float
    high: float
    count: int
    mean_score: float | None = Field(description="Null in an empty bin")
    right: float | None = Field(description="Share of the entities that are right; null in an empty bin")


class CalibrationAnswer(BaseModel):
    """How right entities of a score are; the scores are those of /ner."""

    expected_error: float | None = Field(
        description="Expected calibration error: the mean over all predicted entities of the gap between their bin's"
        " mean score and share right. Null if nothing is predicted"
    )
    bins: list[CalibrationBin]


class CheckedScores(ScoresAnswer):
    """Scores, and what is behind them."""

    mistakes: MistakesAnswer
    calibration: CalibrationAnswer


class ReferenceAnswer(CheckedScores):
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


class SpanAnswer(BaseModel):
    """An entity; ``start`` and ``end`` (exclusive) count words."""

    label: str
    start: int
    end: int


class MistakeAnswer(SpanAnswer):
    """The gold entity, or the predicted one if it is spurious; ``found`` is the predicted one that overlaps it."""

    kind: MistakeKind
    found: SpanAnswer | None = None


class MistakenSentence(DifferingSentence):
    """A sentence in which the variant errs."""

    mistakes: list[MistakeAnswer]


class CheckedData(BaseModel):
    """The labelled data; the digest is of all of it, also where a language or a limit chose a part."""

    name: str
    digest: str


class Noise(BaseModel):
    """What was done to every word before it was read. ``seed`` decides where typos are."""

    name: NoiseName
    seed: int


class AccuracyAnswer(CheckedScores):
    """How right the variant is, the same for the reference variant, and how the two differ."""

    variant: str
    mode: str
    data: CheckedData
    noise: Noise | None = Field(description="Null where the words were read as they are")
    examples: int = Field(description="Sentences that were read")
    repaired: int = Field(description="Labels, in all of the data, that its scheme does not allow: an I- without B-")
    left_out: int = Field(description="Empty tokens, in all of the data")
    notes: list[str] = Field(description="What was recognized, converted, repaired and left out")
    reference: ReferenceAnswer
    difference: DifferencesAnswer
    agreement: AgreementAnswer
    differing_share: float
    differing: list[DifferingSentence] = Field(description="Up to ten of them, spread over the data")
    mistaken: list[MistakenSentence] = Field(description="Sentences with mistakes, spread over the data")
    inference_seconds: float = Field(description="In the models")
    seconds: float = Field(description="From the first sentence to the answer")


class Progress(BaseModel):
    """How far a check is, in sentences."""

    done: int
    total: int
