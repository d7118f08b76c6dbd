from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from app.schemas.base import QueryParameters, Representation, composed

Item = TypeVar("Item")


def only_digits(value: object) -> object:
    """Refuse text that only Python reads as an integer: `1_0`, ` 1`, `1.0`."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("Input should be a whole number")
    return value


def unless_blank(text: str | None) -> str | None:
    """Treat an empty search box like a missing one."""
    return text if text and text.strip() else None


SearchText = Annotated[
    Annotated[str, Field(max_length=200), composed(200)] | None,
    AfterValidator(unless_blank),
]


class PageParameters(QueryParameters):
    limit: Annotated[int, BeforeValidator(only_digits)] = Field(
        20, ge=1, le=100, description="Maximum number of items to return."
    )
    cursor: str | None = Field(None, description="`next_cursor` of the previous page.")


class Page(Representation, Generic[Item]):
    """A page of a list. Request `cursor=next_cursor` until `next_cursor` is null."""

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Return `NotePage` for a page of `NoteRead`."""
        [item] = params
        return f"{item.__name__.removesuffix('Read')}Page"

    items: list[Item]
    next_cursor: str | None = Field(examples=["eyJhIjoxfQ.c2lnbmF0dXJl"])
