"""Field types shared by several requests."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

Strings = Annotated[list[str], Field(fail_fast=True)]


def never_null(schema: dict[str, Any]) -> None:
    """Remove null from a field's schema: it means that the field is absent and cannot be sent."""
    del schema["default"]
    (sent,) = (option for option in schema.pop("anyOf") if option["type"] != "null")
    schema.update(sent)


Event = tuple[str, BaseModel]
"""The name and data of a server-sent event."""
