"""The parts of Kidogo's API that the load tests need, so that they can measure every contender."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

VARIANT = "pipeline"

DESCRIPTION = {
    "name": VARIANT,
    "technique": "not compressed (fp32)",
    "runtime": "transformers",
    "status": "ready",
    "default": True,
}


def answer(found: Sequence[Mapping[str, Any]], started: float) -> dict[str, Any]:
    """Entities of transformers' token-classification pipeline in the format of Kidogo's /ner."""
    entities = [
        {
            "label": entity["entity_group"],
            "start": entity["start"],
            "end": entity["end"],
            "score": float(entity["score"]),
        }
        for entity in found
    ]
    milliseconds = 1000 * (time.perf_counter() - started)
    return {
        "variant": VARIANT,
        "results": [{"entities": entities}],
        "timing": {"queue_ms": 0.0, "inference_ms": milliseconds, "total_ms": milliseconds},
    }
