"""POST /ner."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

from service.admission.limits import check_size
from service.errors import InvalidRequest
from service.evaluation.agreement import Agreement
from service.http.bodies import read_json
from service.http.routes.shared import REFUSALS, body_of, unless_gone
from service.inference.choice import AUTO, choose
from service.inference.engine import Engine
from service.schemas.ner import NerAnswer, NerRequest, Wish
from service.variants import DEFAULT_VARIANT, VARIANTS

router = APIRouter()

ARTIFACT_DIGEST = "X-Artifact-Digest"
ANSWERED: dict[str, Any] = {
    "headers": {ARTIFACT_DIGEST: {"description": "Of the artefact that answered", "schema": {"type": "string"}}}
}


class NerParameters(BaseModel):
    """Query parameters of ``/ner``."""

    variant: str = Field(
        DEFAULT_VARIANT,
        description="The variant that answers; `auto` takes the one that fits the wish best, and says why",
        json_schema_extra={"enum": [*VARIANTS, AUTO]},
    )
    max_latency_ms: float | None = Field(
        None, description="For `auto`: 95 of 100 answers come within", gt=0, allow_inf_nan=False
    )
    min_f1: float | None = Field(
        None, description="For `auto`: F1 on the build's test split", ge=0, le=1, allow_inf_nan=False
    )
    min_score: float = Field(0.0, description="Leave out entities below this score", ge=0, le=1, allow_inf_nan=False)


@router.post("/ner", response_model=NerAnswer, responses={200: ANSWERED, **REFUSALS}, openapi_extra=body_of(NerRequest))
async def ner(request: Request, parameters: Annotated[NerParameters, Query()]) -> Response:
    """Find persons, places, organisations and dates."""
    engine: Engine = request.app.state.engine
    agreement: Agreement = request.app.state.agreement
    variant = parameters.variant if "variant" in request.query_params else engine.pool.default
    wish = Wish(max_latency_ms=parameters.max_latency_ms, min_f1=parameters.min_f1)
    with engine.admission.enter() as visit:
        if variant != AUTO:
            engine.pool.get(variant)
            request.state.variant = variant
            if wish != Wish():
                raise InvalidRequest("max_latency_ms and min_f1 choose a variant: give them with variant=auto.")
        body = await visit.read(read_json(request, NerRequest, engine.settings.max_body_bytes))
        characters = check_size(body, engine.settings)
        choice = None
        if variant == AUTO:
            variant, choice = choose(wish, characters, engine.pool, engine.latencies)
            request.state.variant = variant
        visit.proceed(engine.sizes(body, [variant]))
        with engine.latencies.measuring(variant, characters):
            found = await unless_gone(request, engine.recognize(body, variant, visit))
    if choice is not None:
        found.choice = choice
    shown = found.at_least(parameters.min_score) if parameters.min_score else found
    return Response(
        shown.model_dump_json(exclude_unset=True),
        headers={ARTIFACT_DIGEST: found.digest},
        media_type="application/json",
        background=BackgroundTask(agreement.consider, engine, body, found),
    )
