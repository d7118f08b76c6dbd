from typing import Annotated, Generic, TypeVar

from pydantic import BeforeValidator, Field

from app.schemas.base import QueryParameters, Representation

Item = TypeVar("Item")


def only_digits(value: object) -> object:
    """Refuse what Python calls an integer and HTTP does not: `1_0`, ` 1`, `1.0`."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("Input should be a whole number")
    return value


class PageParameters(QueryParameters):
    limit: Annotated[int, BeforeValidator(only_digits)] = Field(
        20, ge=1, le=100, description="How many items to return at most."
    )
    cursor: str | None = Field(None, description="`next_cursor` of the page before.")


class Page(Representation, Generic[Item]):
    """One page of a list; ask with `cursor=next_cursor` until that is null."""

    items: list[Item]
    next_cursor: str | None
