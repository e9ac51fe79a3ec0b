"""Chooses the variant of a run."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from service.annotation.documents import parse
from service.annotation.errors import AnnotationError, InputError, Problem
from service.annotation.inputs.records import Record
from service.annotation.inputs.sources import Source
from service.annotation.plan import Plan
from service.annotation.work.workers import choose_variant
from service.artifacts.manifest import ArtifactError, check_variant, read_manifest, verify
from service.inference.choice import AUTO
from service.variants import KNOWN_VARIANTS

DOCUMENTS = 64
"""Whose median length the latency is meant for."""


def settle_variant(
    plan: Plan, sources: Sequence[Source], before: dict[str, Any] | None, say: Callable[[str], None]
) -> str:
    """The plan's variant; for ``auto``, that of the interrupted run ``before``, if any, or else one that fits the
    wish.
    """
    if plan.variant != AUTO:
        return plan.variant
    wish = plan.wish.model_dump()
    if before is not None and (before.get("variant"), before.get("wish")) == (AUTO, wish):
        return str(before["taken variant"])
    records = (record for source in sources for record in _readable(source, plan))
    lengths = [length for record in islice(records, DOCUMENTS) for length in _lengths(record)]
    choice = choose_variant(
        {
            "artifacts": str(plan.artifacts),
            "variants": plan.variants,
            "wish": wish,
            "characters": int(statistics.median(lengths)) if lengths else 0,
        }
    )
    say(choice["reason"])
    return choice["variant"]


def verify_artifact(plan: Plan, variant: str) -> str:
    """The digest of the artefact. Raises ``AnnotationError`` unless all of its files match the manifest."""
    folder = plan.artifacts / variant
    try:
        manifest = read_manifest(folder)
        check_variant(KNOWN_VARIANTS[variant], manifest, folder)
        verify(folder, manifest)
    except ArtifactError as error:
        raise AnnotationError(str(error)) from None
    return manifest.digest


def _readable(source: Source, plan: Plan) -> Iterator[Record]:
    """The records of an input as far as it can be read."""
    try:
        yield from source.records(plan.reading, plan.out)
    except InputError:
        return


def _lengths(record: Record) -> Iterator[int]:
    try:
        _, content = parse(record.payload, record.field)
    except Problem:
        return
    yield len(content if isinstance(content, str) else " ".join(content))
