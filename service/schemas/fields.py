"""Fields that several requests have."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

Strings = Annotated[list[str], Field(fail_fast=True)]


def never_null(schema: dict[str, Any]) -> None:
    """Null stands for a field that was not sent, and may not be sent itself."""
    del schema["default"]
    (sent,) = (option for option in schema.pop("anyOf") if option["type"] != "null")
    schema.update(sent)


Event = tuple[str, BaseModel]
"""A named part of a streamed answer."""
