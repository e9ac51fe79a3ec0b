"""POST /ner."""

import time
from typing import Any

from fastapi import APIRouter, Request, Response

from service.bodies import read_json
from service.engine import Engine
from service.routes.shared import REFUSALS, VariantQuery, body_of, unless_gone
from service.schemas import NerAnswer, NerRequest
from service.variants import DEFAULT_VARIANT

router = APIRouter()

ARTIFACT_DIGEST = "X-Artifact-Digest"
ANSWERED: dict[str, Any] = {
    "headers": {ARTIFACT_DIGEST: {"description": "Of the artefact that answered", "schema": {"type": "string"}}}
}


@router.post("/ner", response_model=NerAnswer, responses={200: ANSWERED, **REFUSALS}, openapi_extra=body_of(NerRequest))
async def ner(request: Request, variant: VariantQuery = DEFAULT_VARIANT) -> Response:
    """Find persons, places, organisations and dates."""
    started = time.perf_counter()
    engine: Engine = request.app.state.engine
    if "variant" not in request.query_params:
        variant = engine.pool.default
    async with engine.reading():
        engine.pool.get(variant)
        request.state.variant = variant
        body = await read_json(request, NerRequest, engine.settings.max_body_bytes)
    with engine.admitted():
        answer = await unless_gone(request, engine.recognize(body, variant, started))
    headers = {ARTIFACT_DIGEST: answer.digest}
    return Response(answer.model_dump_json(exclude_unset=True), headers=headers, media_type="application/json")
