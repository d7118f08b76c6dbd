"""The base classes of requests and answers, and the types of their text fields."""

from typing import Annotated
from unicodedata import normalize

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import PydanticKnownError


class RequestBody(BaseModel):
    """A JSON body. Unknown fields and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)


class QueryParameters(BaseModel):
    """The query of a URL. It contains only text, so values are converted."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Representation(BaseModel):
    """An answer, read straight from a row or an ORM object."""

    model_config = ConfigDict(from_attributes=True)


# The rule of `trimmed`, in JSON Schema.
NOT_BLANK: dict[str, JsonValue] = {"pattern": r"\S"}


def composed(max_length: int) -> AfterValidator:
    """Compose letters with their accents (NFC), as all text is stored and searched.

    A few texts get longer and must still fit their column.
    """

    def compose(text: str) -> str:
        text = normalize("NFC", text)
        if len(text) > max_length:
            raise PydanticKnownError("string_too_long", {"max_length": max_length})
        return text

    return AfterValidator(compose)


def trimmed(text: str) -> str:
    """Trim after the length is checked, because the schema limits the whole text."""
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
