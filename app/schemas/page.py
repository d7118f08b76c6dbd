from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from app.schemas.base import QueryParameters, Representation, composed

Item = TypeVar("Item")


def only_digits(value: object) -> object:
    """Refuse spellings of a number that only Python reads: `1_0`, ` 1`, `1.0`."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("Input should be a whole number")
    return value


def unless_blank(text: str | None) -> str | None:
    """Treat a blank search text as an absent one."""
    return text if text and text.strip() else None


SearchText = Annotated[
    Annotated[str, Field(max_length=200), composed(200)] | None,
    AfterValidator(unless_blank),
]


class PageParameters(QueryParameters):
    limit: Annotated[int, BeforeValidator(only_digits)] = Field(
        20, ge=1, le=100, description="How many items to return at most."
    )
    cursor: str | None = Field(None, description="`next_cursor` of the page before.")


class Page(Representation, Generic[Item]):
    """One page of a list; ask with `cursor=next_cursor` until that is null."""

    items: list[Item]
    next_cursor: str | None
