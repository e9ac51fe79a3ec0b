"""JSON lines, and tasks with predictions for Label Studio."""

import json
from typing import Any

from service.annotation.documents import Answer
from service.annotation.errors import Problem
from service.ner.pipeline import Entity


def dump(value: object) -> bytes:
    """Raises ``Problem`` for a number that JSON cannot hold, such as 1e400, which was read as infinity."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except ValueError as error:
        raise Problem(f"a field cannot be written as JSON: {error}") from None


def json_line(answer: Answer, model: str) -> bytes:
    """The input's fields, the variant, and the result as ``/ner`` gives it."""
    found: dict[str, Any] = {
        "variant": model.partition(" ")[0],
        "entities": [entity._asdict() for entity in answer.result.entities],
    }
    if not isinstance(answer.content, str):
        found["labels"] = answer.result.labels
    return dump({**answer.fields, **found}) + b"\n"


def label_studio(answer: Answer, model: str) -> bytes:
    """A task with a prediction. Offsets count code points, as Label Studio's do."""
    spans = answer.spans
    data = answer.fields if isinstance(answer.content, str) else {**answer.fields, "text": answer.text}
    scores = [entity.score for entity, _, _ in spans]
    prediction = {
        "model_version": model,
        "score": round(sum(scores) / len(scores), 4) if scores else 0.0,
        "result": [_region(number, *span, answer.text) for number, span in enumerate(spans)],
    }
    return dump({"data": data, "predictions": [prediction]})


def _region(number: int, entity: Entity, start: int, end: int, text: str) -> dict[str, Any]:
    return {
        "id": f"e{number}",
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "value": {"start": start, "end": end, "text": text[start:end], "labels": [entity.label]},
        "score": entity.score,
    }
