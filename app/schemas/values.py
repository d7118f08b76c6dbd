"""Types of fields that any resource can use: numbers, times, links, addresses, JSON."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic_core import CoreSchema, core_schema

from app.core.email_address import parse_email
from app.schemas.base import MANY_LINES, lines

DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
WHOLE = re.compile(r"-?\d{1,10}", re.ASCII)
LARGEST = 2_000_000_000  # PostgreSQL's integer has 32 bits


def in_utc(instant: datetime) -> datetime:
    """Refuse a time whose year in UTC would be before 1 or after 9999."""
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(
            "Input should be a date and time between years 1 and 9999"
        ) from error


def written_out(value: object) -> object:
    """Refuse a number of seconds since 1970, which the API does not document."""
    is_written = isinstance(value, str) and value[4:5] == "-"
    if not is_written and not isinstance(value, datetime):
        raise ValueError("Input should be a date and time such as 2026-01-01T12:00:00Z")
    return value


def parse_day(value: object) -> date:
    if isinstance(value, str) and DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:  # its message repeats the value
            pass
    raise ValueError("Input should be a date such as 2026-01-31")


def whole(value: object) -> object:
    """Refuse text that only Python reads as an integer: `1_0`, ` 1`, `1.0`."""
    if isinstance(value, str) and not WHOLE.fullmatch(value):
        raise ValueError("Input should be a whole number")
    return value


def web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"http", "https"} and parts.hostname
    except ValueError:  # its message repeats the value
        known = False
    if not known or not text.isprintable() or " " in text:
        raise ValueError("Input should be a URL that begins with https:// or http://")
    return text


@dataclass(frozen=True)
class DecimalText:
    """A decimal string, because a JSON number is not exact in every client.

    `Annotated[Decimal, DecimalText(3, 1)]` allows 3 digits, 1 of them after the point:
    1 or 2 digits before the point, and at most 1 after it.
    """

    digits: int
    places: int

    @property
    def pattern(self) -> str:
        behind = rf"(\.\d{{1,{self.places}}})?" if self.places else ""
        return rf"^-?\d{{1,{self.digits - self.places}}}{behind}$"

    @property
    def example(self) -> str:
        return f"{Decimal(1).scaleb(-self.places)}"

    def parse(self, value: object) -> Decimal:
        if isinstance(value, str) and re.fullmatch(self.pattern, value, re.ASCII):
            return Decimal(value).quantize(Decimal(1).scaleb(-self.places))
        raise ValueError(
            f"Input should be a string such as '{self.example}', with at most "
            f"{self.digits} digits, {self.places} of them behind the point"
        )

    def __get_pydantic_core_schema__(
        self, _: Any, __: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.parse, serialization=core_schema.to_string_ser_schema()
        )

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, __: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": self.pattern,
            "maxLength": self.digits + len("-."),
            "examples": [self.example],
        }


Number = Annotated[
    int,
    Field(ge=-LARGEST, le=LARGEST, examples=[3]),
    BeforeValidator(whole),
]
Day = Annotated[
    date, Field(strict=False, examples=["2026-01-31"]), BeforeValidator(parse_day)
]
Instant = Annotated[
    AwareDatetime,
    Field(strict=False, examples=["2026-01-31T12:00:00Z"]),
    BeforeValidator(written_out),
    AfterValidator(in_utc),
]
Reference = Annotated[UUID, Field(strict=False)]
Url = Annotated[
    str,
    Field(
        max_length=2048,
        examples=["https://example.org/"],
        json_schema_extra={"format": "uri", "pattern": "^https?://[^/]"},
    ),
    AfterValidator(web_address),
]
Email = Annotated[
    str,
    Field(max_length=254, examples=["ada@example.org"]),
    AfterValidator(lambda text: parse_email(text.strip()).email),
]
Paragraphs = Annotated[
    str,
    Field(max_length=5000, examples=["A few words."], json_schema_extra=MANY_LINES),
    AfterValidator(lines),
]
JsonObject = Annotated[dict[str, Any], Field(examples=[{"a": 1}])]
