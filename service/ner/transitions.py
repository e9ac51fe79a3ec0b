"""Label transition probabilities for decoding."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LogProbability = Annotated[float, Field(le=0.0, allow_inf_nan=False)]


class Transitions(BaseModel):
    """Natural log probabilities: ``first[i]`` of label i at the start, ``following[i][j]`` of label j after label i."""

    model_config = ConfigDict(extra="forbid")

    labels: list[str]
    weight: float = Field(ge=0.0, allow_inf_nan=False, description="Weight relative to the model's scores")
    first: list[LogProbability]
    following: list[list[LogProbability]]

    @model_validator(mode="after")
    def _square(self) -> Self:
        if {len(self.first), len(self.following), *map(len, self.following)} != {len(self.labels)}:
            raise ValueError("labels, first and following differ in length")
        return self
