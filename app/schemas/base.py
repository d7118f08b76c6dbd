"""Base classes of schemas, and the types that several resources use."""

from typing import Annotated
from unicodedata import normalize

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import PydanticKnownError


class RequestBody(BaseModel):
    """A JSON body from a client. Unknown fields and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)


class QueryParameters(BaseModel):
    """The query of a URL. Its values arrive as text, so they are converted."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Representation(BaseModel):
    """An answer, read from a row or an ORM object."""

    model_config = ConfigDict(from_attributes=True)


# The rule of `trimmed`, for JSON Schema.
NOT_BLANK: dict[str, JsonValue] = {"pattern": r"\S"}


def composed(max_length: int) -> AfterValidator:
    """Compose letters and accents (NFC), so that stored and searched text is equal.

    Composing makes a few texts longer, so the length is checked again.
    """

    def compose(text: str) -> str:
        text = normalize("NFC", text)
        if len(text) > max_length:
            raise PydanticKnownError("string_too_long", {"max_length": max_length})
        return text

    return AfterValidator(compose)


def trimmed(text: str) -> str:
    """Trim the text after its length was checked, as the schema describes it."""
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
