"""Warms up a pipeline, and detects models whose output is not finite."""

import time
from pathlib import Path

from service.artifacts.manifest import ArtifactError
from service.ner.pipeline import Pipeline, run_to_end
from service.ner.timing import Timer

WARM_UP_TEXT = "Rais alizungumza na waandishi wa habari mjini Nairobi siku ya Jumatatu, tarehe 5 Mei 2019."


def warm_up(pipeline: Pipeline, folder: Path) -> float:
    """Run a sentence twice and return the seconds of the second run. Raises ``ArtifactError`` for NaN and infinity."""
    for _ in range(2):
        started = time.perf_counter()
        try:
            run_to_end(pipeline.read_text(WARM_UP_TEXT, Timer()))
        except FloatingPointError:
            raise not_finite(folder) from None
    return time.perf_counter() - started


def not_finite(folder: Path) -> ArtifactError:
    """The message for a model whose logits are not finite."""
    return ArtifactError(
        f"{folder}: the model answers NaN or infinity, so its weights hold such values or overflow. A training that"
        " diverges leaves them: build it again, with a lower learning rate if it was trained"
    )
