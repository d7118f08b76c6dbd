"""Base classes of schemas, and the types that several resources use."""

import re
from typing import Annotated
from unicodedata import normalize

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import PydanticCustomError, PydanticKnownError

USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64)"  # an example


class RequestBody(BaseModel):
    """A JSON body from a client. Unknown fields and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)


class QueryParameters(BaseModel):
    """The query of a URL. Its values arrive as text, so they are converted."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Representation(BaseModel):
    """An answer, read from a row or an ORM object."""

    model_config = ConfigDict(from_attributes=True)


# Control characters, ends of lines, and marks that change the direction of text: in a
# terminal or a log they hide or change the text around them. NUL is not here,
# because the readers of JSON and CSV refuse it.
_REFUSED = r"\x01-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
_CONTROL = re.compile(f"[{_REFUSED}]")
_REFUSED_IN_LINES = _REFUSED.replace(r"\x01-\x1f", r"\x01-\x08\x0b-\x1f")
_CONTROL_IN_LINES = re.compile(f"[{_REFUSED_IN_LINES}]")
# The rule of `lines`, for JSON Schema.
MANY_LINES: dict[str, JsonValue] = {"pattern": rf"^([^{_REFUSED_IN_LINES}]|\r\n)*$"}
# The rule of `trimmed`, for JSON Schema.
ONE_LINE: dict[str, JsonValue] = {
    "pattern": rf"^\s*[^\s{_REFUSED}]([^{_REFUSED}]*[^\s{_REFUSED}])?\s*$"
}


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
    """Trim the text after its length was checked, and refuse more than one line.

    The JSON Schema describes these checks in the same order.
    """
    text = text.strip()
    if not text:
        raise PydanticKnownError("string_too_short", {"min_length": 1})
    if _CONTROL.search(text):
        raise PydanticCustomError(
            "control_character",
            "The text must be one line without control characters.",
        )
    return text


def lines(text: str) -> str:
    """Trim the text, end its lines by LF, and refuse what could control a terminal."""
    text = text.replace("\r\n", "\n")
    if _CONTROL_IN_LINES.search(text):
        raise PydanticCustomError(
            "control_character",
            "The text must contain no control characters except line breaks and tabs.",
        )
    return text.strip()


Line = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        examples=["A few words"],
        json_schema_extra=ONE_LINE,
    ),
    composed(200),
    AfterValidator(trimmed),
]
