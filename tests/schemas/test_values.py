"""Types of fields accept one spelling, and their errors do not repeat the input."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from app.schemas.values import Day, DecimalText, Instant, Number, Reference, Url

Rating = Annotated[Decimal, DecimalText(3, 1)]


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        (Rating, "9.5", Decimal("9.5")),
        (Rating, "-12", Decimal("-12.0")),
        (Day, "2026-01-31", date(2026, 1, 31)),
        (Number, 3, 3),
        (Url, "https://example.org/?a=1", "https://example.org/?a=1"),
    ],
)
def test_accepts_a_valid_value(kind: Any, given: object, value: object) -> None:
    assert TypeAdapter(kind).validate_python(given, strict=True) == value


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Rating, "123"),
        (Rating, "1.25"),
        (Rating, "NaN"),
        (Rating, 1.5),
        (Rating, "\uff11"),
        (Day, "2026-02-30"),
        (Day, "20260131"),
        (Day, 1_700_000_000),
        (Instant, 1_700_000_000),
        (Instant, "2026-01-31T12:00:00"),
        (Number, "1_0"),
        (Number, 2**31),
        (Reference, "nothing"),
        (Url, "javascript:alert(1)"),
        (Url, "http:///x"),
        (Url, "https://[x"),
        (Url, "https://a b"),
    ],
)
def test_refuses_without_repeating_the_value(kind: Any, given: object) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(given)

    assert str(given) not in refused.value.errors()[0]["msg"]
