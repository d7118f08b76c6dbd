"""What every body and every answer has in common."""

from typing import Annotated
from unicodedata import normalize

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import PydanticKnownError


class RequestBody(BaseModel):
    """What a client sends: unknown fields and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)


class QueryParameters(BaseModel):
    """What a client asks for in the URL, where everything is text."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Representation(BaseModel):
    """What a client receives, read straight from a row or an ORM object."""

    model_config = ConfigDict(from_attributes=True)


# What `trimmed` demands, in the words of JSON Schema.
NOT_BLANK: dict[str, JsonValue] = {"pattern": r"\S"}


def composed(max_length: int) -> AfterValidator:
    """Write letters with their accents, which is how all text is stored and sought.

    The few texts that grow by it must still fit their column.
    """

    def compose(text: str) -> str:
        text = normalize("NFC", text)
        if len(text) > max_length:
            raise PydanticKnownError("string_too_long", {"max_length": max_length})
        return text

    return AfterValidator(compose)


def trimmed(text: str) -> str:
    """Trim after the length was measured, for that is what the schema tells."""
    text = text.strip()
    if not text:
        raise PydanticKnownError("string_too_short", {"min_length": 1})
    return text


Line = Annotated[
    str,
    Field(min_length=1, max_length=200, json_schema_extra=NOT_BLANK),
    composed(200),
    AfterValidator(trimmed),
]
