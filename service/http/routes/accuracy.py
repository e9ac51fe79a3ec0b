"""POST /accuracy."""

import asyncio
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.errors import InvalidRequest
from service.evaluation.accuracy import MOST_SHOWN, Contender
from service.evaluation.checks import Checks
from service.evaluation.labelled import LabelledData, read_request, read_test_split
from service.evaluation.reading import Rules
from service.http.bodies import read_json
from service.http.events import DOCUMENTED, stream, wants_events
from service.http.routes.shared import REFUSALS, VariantQuery, body_of, unless_gone
from service.inference.engine import Engine
from service.schemas.accuracy import AccuracyAnswer, AccuracyRequest, Example, Noise, NoiseName, SchemeName
from service.variants import DEFAULT_VARIANT

router = APIRouter()


@router.post(
    "/accuracy",
    operation_id="check_accuracy",
    tags=["evaluation"],
    response_model=AccuracyAnswer,
    responses={**REFUSALS, 200: {"content": DOCUMENTED}},
    openapi_extra=body_of(AccuracyRequest, required=False),
)
async def accuracy(
    request: Request,
    variant: VariantQuery = DEFAULT_VARIANT,
    language: Annotated[str | None, Query(description="Only this language, as in hau", max_length=20)] = None,
    limit: Annotated[
        int | None, Query(description="At most so many sentences, spread evenly over the data", ge=1)
    ] = None,
    noise: Annotated[NoiseName | None, Query(description="Change every word in this way before it is read")] = None,
    seed: Annotated[
        int | None, Query(description="For `noise=typos`: where they are; 0 by default", ge=0, lt=2**32)
    ] = None,
    mistakes: Annotated[
        int, Query(description="Sentences with mistakes to show, spread over the data", ge=0, le=100)
    ] = MOST_SHOWN,
    strict: Annotated[bool, Query(description="Refuse data with labels to repair or empty tokens")] = False,
    scheme: Annotated[SchemeName | None, Query(description="Of the labels sent; by default it is recognized")] = None,
) -> Response:
    """Check a variant and the reference on labelled data. Without a body, the build's test split is used.

    One check runs at a time, at lower priority than other requests. Callers that accept `text/event-stream` get
    `progress` events and then `result`.
    """
    if seed is not None and noise is None:
        raise InvalidRequest("seed decides where noise is: give it with noise.")
    engine: Engine = request.app.state.engine
    checks: Checks = request.app.state.checks
    if "variant" not in request.query_params:
        variant = engine.pool.default
    contender = Contender(variant, engine.pool.get(variant))
    reference = Contender(engine.pool.reference, engine.pool.get(engine.pool.reference))
    request.state.variant = variant

    def read(body: AccuracyRequest) -> LabelledData:
        if body.conll is None and body.examples is None:
            records = {slot.variant.name: slot.manifest.data for slot in engine.pool if slot.manifest}
            record = records[variant]
            data = read_test_split(engine.settings.artifacts, record.name if record else "no data")
        else:
            most = engine.settings.max_document_characters
            data = read_request(body, language, contender.pipeline.scheme.labels, most, Rules(scheme, strict))
        return replace(data.select(language, limit), noise=noise and Noise(name=noise, seed=seed or 0))

    with checks.place(variant):
        with engine.admission.enter() as visit:
            body = await visit.read(
                read_json(
                    request,
                    AccuracyRequest,
                    engine.settings.max_accuracy_body_bytes,
                    optional=True,
                    items={"examples": Example},
                )
            )
        # Labelled data may be megabytes: a thread parses it so that other requests proceed, and the body is freed.
        data = await asyncio.to_thread(read, body)
        del body
        check = checks.start(engine, contender, reference, data, mistakes)
    if wants_events(request):
        return stream(request, check.events())
    answer = await unless_gone(request, check.answer)
    return Response(answer.model_dump_json(), media_type="application/json")
