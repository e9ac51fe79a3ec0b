"""Rejects unknown query parameters, because clients would expect them to have an effect."""

from collections.abc import Collection, Sequence

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel

from service.errors import InvalidRequest

MOST_NAMED = 10
LONGEST_NAME = 100


async def only_known(request: Request) -> None:
    """A dependency of the API's routes. Raises ``InvalidRequest``."""
    if request.query_params:
        route = request.scope["route"]
        assert isinstance(route, APIRoute)
        refuse_unknown(request.query_params.keys(), _known(route))


def refuse_unknown(given: Collection[str], known: Sequence[str]) -> None:
    """Raise ``InvalidRequest`` if a parameter is unknown; it names the unknown and the known ones."""
    unknown = [name for name in given if name not in known]
    if not unknown:
        return
    names = [name[:LONGEST_NAME] for name in unknown[:MOST_NAMED]]
    choice = f"Known here: {', '.join(known)}." if known else "This path takes none."
    raise InvalidRequest(
        f"There is no query parameter {', '.join(map(repr, names))}. {choice}",
        {
            "fields": [{"field": f"query.{name}", "problem": "Unknown query parameter"} for name in names],
            "problems": len(unknown),
            "known": list(known),
        },
    )


def _known(route: APIRoute) -> tuple[str, ...]:
    """The names that a route declares, as parameters or as fields of a model."""
    names: list[str] = []
    for field in route.dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            names += model.model_fields
        else:
            names.append(field.alias)
    return tuple(names)
