"""POST /compare."""

from fastapi import APIRouter, Request, Response

from service.admission.limits import check_size
from service.errors import VariantNotReady
from service.evaluation.comparison import Comparison
from service.http.bodies import read_json
from service.http.events import DOCUMENTED, stream, wants_events
from service.http.routes.shared import REFUSALS, body_of, unless_gone
from service.inference.engine import Engine
from service.schemas.comparison import CompareAnswer, CompareRequest
from service.schemas.ner import NerRequest

router = APIRouter()


@router.post(
    "/compare",
    operation_id="compare_variants",
    tags=["entities"],
    response_model=CompareAnswer,
    responses={**REFUSALS, 200: {"content": DOCUMENTED}},
    openapi_extra=body_of(CompareRequest),
)
async def compare(request: Request) -> Response:
    """Run every ready variant on a text, compare each with the reference, and name those that fail.

    Callers that accept `text/event-stream` get each variant's answer as an `answer` event at once, and again when the
    reference has answered and the differences are known. The last event is `result`.
    """
    engine: Engine = request.app.state.engine
    with engine.admission.enter() as visit:
        body = await visit.read(read_json(request, CompareRequest, engine.settings.max_body_bytes))
        document = NerRequest(text=body.text)
        check_size(document, engine.settings)
        names = [slot.variant.name for slot in engine.pool if slot.status == "ready"]
        if not names:
            raise VariantNotReady("No variant is ready. /variants says why.", headers={"Retry-After": "5"})
        visit.proceed(engine.sizes(document, names))
        comparison = Comparison(engine, names, document, visit, request.state.request_id)
        # However the answers are sent, the request is in flight until the last variant has answered.
        visit.last_until(comparison.answer)
    if wants_events(request):
        return stream(request, comparison.events())
    answer = await unless_gone(request, comparison.answer)
    return Response(answer.model_dump_json(), media_type="application/json")
