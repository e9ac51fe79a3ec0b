"""The OpenAPI document: what FastAPI finds out by itself, and bodies, limits and examples, which it cannot know.

``examples.json`` has requests and what a server answered to them; ``scripts/examples`` writes it.
"""

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from service.errors import (
    Draining,
    InternalError,
    InvalidRequest,
    MalformedBody,
    Overloaded,
    ServiceError,
    TookTooLong,
    TooLarge,
    Unauthorized,
    UnknownVariant,
    UnsupportedMediaType,
)
from service.schemas.accuracy import AccuracyRequest
from service.schemas.comparison import CompareRequest
from service.schemas.ner import NerRequest
from service.variants import VARIANTS

TAGS = [
    {"name": "entities", "description": "Find entities in text, with one variant or with all of them."},
    {"name": "evaluation", "description": "How right variants are, on labelled data."},
    {"name": "operation", "description": "State, probes and metrics, for operators and their tools."},
]

BODIES: tuple[type[BaseModel], ...] = (NerRequest, CompareRequest, AccuracyRequest)

REFUSED: tuple[ServiceError, ...] = (
    MalformedBody("The body is not JSON in UTF-8: expected value at line 1 column 1."),
    Unauthorized("This requires the service's token, as in: Authorization: Bearer TOKEN."),
    UnknownVariant("tiny", list(VARIANTS)),
    TooLarge("The body is larger than 1,048,576 bytes.", {"max_bytes": 1_048_576}),
    UnsupportedMediaType("The body must be application/json, not text/plain.", {"expected": "application/json"}),
    InvalidRequest(
        "text: Input should be a valid string.",
        {"fields": [{"field": "text", "problem": "Input should be a valid string"}], "problems": 1},
    ),
    Overloaded("64 requests are in flight, which is the limit. Try again in a moment."),
    InternalError("3f0e1c2a9d8b4e6f8a7b6c5d4e3f2a1b"),
    Draining("The server is shutting down."),
    TookTooLong("The request took longer than 30 seconds.", {"timeout_seconds": 30}),
)


def describe(api: FastAPI) -> None:
    """Complete the document that ``api`` makes."""
    make = api.openapi
    examples = json.loads(Path(__file__).with_name("examples.json").read_text(encoding="utf-8"))

    def openapi() -> dict[str, Any]:
        document = make()
        for path in ("/ner", "/accuracy"):
            variant = document["paths"][path]["post"]["parameters"][0]
            variant["schema"]["default"] = api.state.engine.pool.default
        _add_bodies(document["components"]["schemas"])
        settings = api.state.engine.settings
        texts = document["components"]["schemas"]["NerRequest"]["properties"]
        texts["text"]["maxLength"] = texts["texts"]["items"]["maxLength"] = settings.max_document_characters
        texts["texts"]["maxItems"] = texts["tokens"]["maxItems"] = settings.max_documents
        for path, operations in document["paths"].items():
            for operation in operations.values():
                _add_examples(operation, examples.get(path, {}))
        return document

    api.openapi = openapi  # type: ignore[method-assign]


def _add_bodies(schemas: dict[str, Any]) -> None:
    """The schemas of bodies, since routes read bodies themselves."""
    for model in BODIES:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas.setdefault(model.__name__, schema)


def _add_examples(operation: dict[str, Any], examples: dict[str, dict[str, Any]]) -> None:
    """``examples`` maps each media type, and "body", to examples by name."""
    if "requestBody" in operation:
        operation["requestBody"]["content"]["application/json"]["examples"] = _named(examples.get("body", {}))
    for media_type, content in operation["responses"]["200"]["content"].items():
        content["examples"] = _named(examples.get(media_type, {}))
    for error in REFUSED:
        if refusal := operation["responses"].get(str(error.status)):
            refusal["content"]["application/json"]["example"] = error.body()


def _named(examples: dict[str, Any]) -> dict[str, Any]:
    return {name: {"summary": name, "value": value} for name, value in examples.items()}
