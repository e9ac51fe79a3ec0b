"""The size limits of a request for entities."""

from service.errors import TooLarge
from service.schemas.ner import NerRequest
from service.settings import Settings
from service.telemetry.logs import note


def check_size(request: NerRequest, settings: Settings) -> int:
    """The request's characters in total. Raises ``TooLarge`` if it has too many documents or one is too long."""
    limit, longest = settings.max_documents, settings.max_document_characters
    lengths = request.lengths
    if len(lengths) > limit:
        raise TooLarge(
            f"{len(lengths)} documents are more than the {limit} allowed per request.", {"max_documents": limit}
        )
    characters = sum(lengths)
    note(documents=len(lengths), characters=characters)
    for index, length in enumerate(lengths):
        if length > longest:
            raise TooLarge(
                f"Document {index} has {length:,} characters; the limit is {longest:,}.",
                {"document": index, "max_document_characters": longest},
            )
    return characters
