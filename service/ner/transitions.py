"""How likely each label is after another: what the best path of labels goes by, beside the model's own scores."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LogProbability = Annotated[float, Field(le=0.0, allow_inf_nan=False)]


class Transitions(BaseModel):
    """Natural logarithms of probabilities; ``following[i][j]`` is that of label j right after label i."""

    model_config = ConfigDict(extra="forbid")

    labels: list[str]
    weight: float = Field(ge=0.0, allow_inf_nan=False, description="How much they count against the model's scores")
    first: list[LogProbability]
    following: list[list[LogProbability]]

    @model_validator(mode="after")
    def _square(self) -> Self:
        if {len(self.first), len(self.following), *map(len, self.following)} != {len(self.labels)}:
            raise ValueError("labels, first and following differ in length")
        return self
