"""POST /ner."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.background import BackgroundTask

from service.agreement import Agreement
from service.bodies import read_json
from service.choice import AUTO, choose
from service.engine import Engine
from service.errors import InvalidRequest
from service.routes.shared import REFUSALS, body_of, unless_gone
from service.schemas import NerAnswer, NerRequest, Wish
from service.variants import DEFAULT_VARIANT, VARIANTS

router = APIRouter()

ARTIFACT_DIGEST = "X-Artifact-Digest"
ANSWERED: dict[str, Any] = {
    "headers": {ARTIFACT_DIGEST: {"description": "Of the artefact that answered", "schema": {"type": "string"}}}
}


@router.post("/ner", response_model=NerAnswer, responses={200: ANSWERED, **REFUSALS}, openapi_extra=body_of(NerRequest))
async def ner(
    request: Request,
    variant: Annotated[
        str,
        Query(
            description="The variant that answers; `auto` takes the one that fits the wish best, and says why",
            json_schema_extra={"enum": [*VARIANTS, AUTO]},
        ),
    ] = DEFAULT_VARIANT,
    max_latency_ms: Annotated[
        float | None, Query(description="For `auto`: 95 of 100 answers come within", gt=0, allow_inf_nan=False)
    ] = None,
    min_f1: Annotated[
        float | None, Query(description="For `auto`: F1 on the build's test split", ge=0, le=1, allow_inf_nan=False)
    ] = None,
) -> Response:
    """Find persons, places, organisations and dates."""
    started = time.perf_counter()
    engine: Engine = request.app.state.engine
    agreement: Agreement = request.app.state.agreement
    if "variant" not in request.query_params:
        variant = engine.pool.default
    async with engine.reading():
        if variant != AUTO:
            engine.pool.get(variant)
            request.state.variant = variant
            if max_latency_ms is not None or min_f1 is not None:
                raise InvalidRequest("max_latency_ms and min_f1 choose a variant: give them with variant=auto.")
        body = await read_json(request, NerRequest, engine.settings.max_body_bytes)
    choice, characters = None, sum(body.lengths)
    if variant == AUTO:
        wish = Wish(max_latency_ms=max_latency_ms, min_f1=min_f1)
        variant, choice = choose(wish, characters, engine.pool, engine.latencies)
        request.state.variant = variant
    with (
        engine.admitted(),
        engine.queued(body, variant),
        engine.latencies.measuring(variant, characters),
    ):
        answer = await unless_gone(request, engine.recognize(body, variant, started))
    if choice is not None:
        answer.choice = choice
    return Response(
        answer.model_dump_json(exclude_unset=True),
        headers={ARTIFACT_DIGEST: answer.digest},
        media_type="application/json",
        background=BackgroundTask(agreement.consider, engine, body, answer),
    )
