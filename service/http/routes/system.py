"""For operators and their tools: variants, probes and metrics."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.artifacts.manifest import Manifest
from service.artifacts.pool import Slot
from service.errors import VariantNotReady
from service.http.routes.shared import REFUSALS
from service.inference.engine import Engine
from service.schemas.variants import MetricsAnswer, VariantAnswer

router = APIRouter(tags=["operation"])


@router.get("/variants", operation_id="list_variants", responses={401: REFUSALS[401], 422: REFUSALS[422]})
def variants(request: Request) -> list[VariantAnswer]:
    """List the variants: what each is, its scores, and whether it is ready."""
    engine: Engine = request.app.state.engine
    return [_describe(slot, engine) for slot in engine.pool]


@router.get("/livez", operation_id="is_live", responses={200: {"description": "The process answers"}})
def livez() -> dict[str, str]:
    return {"status": "live"}


@router.get("/readyz", operation_id="is_ready", responses={503: REFUSALS[503]})
def readyz(request: Request) -> dict[str, str]:
    """Ready once loading has been tried for every variant and at least one can answer."""
    engine: Engine = request.app.state.engine
    if not engine.ready:
        states = {slot.variant.name: slot.status for slot in engine.pool}
        raise VariantNotReady("The service is not ready.", {"variants": states}, {"Retry-After": "5"})
    return {"status": "ready"}


@router.get(
    "/metrics",
    operation_id="get_metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(request: Request) -> Response:
    """Prometheus metrics."""
    engine: Engine = request.app.state.engine
    engine.metrics.describe(engine.pool)
    return Response(generate_latest(engine.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _metrics(manifest: Manifest) -> MetricsAnswer | None:
    if manifest.data is None:
        return None
    return MetricsAnswer(
        data=manifest.data.name,
        data_digest=manifest.data.digest,
        agreement=manifest.agreement.get("test"),
        **manifest.metrics,
    )


def _describe(slot: Slot, engine: Engine) -> VariantAnswer:
    manifest = slot.manifest
    answer = VariantAnswer(
        name=slot.variant.name,
        technique=slot.variant.technique,
        runtime=slot.variant.runtime,
        status=slot.status,
        reason=slot.reason,
        default=slot.variant.name == engine.pool.default,
        reference=slot.variant.name == engine.pool.reference,
        resident_bytes=slot.resident_bytes,
        inference_ms=engine.median_inference_ms(slot.variant.name, manifest.digest if manifest is not None else ""),
    )
    if manifest is None:
        return answer
    return answer.model_copy(
        update={
            "parameters": manifest.parameters,
            "nonzero_parameters": manifest.nonzero_parameters,
            "sparsity": manifest.sparsity,
            "artifact_bytes": manifest.artifact_bytes,
            "labels": manifest.labels,
            "languages": manifest.languages,
            "metrics": _metrics(manifest),
            "base_model": manifest.base_model,
            "recipe": manifest.recipe.model_dump(),
            "digest": manifest.digest,
            "built_at": manifest.built_at,
        }
    )
