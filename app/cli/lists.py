"""Lists on the command line: filters, rows of many pages, and JSON."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.cli.console import errors, output

if TYPE_CHECKING:
    from pydantic import BaseModel

    from app.schemas.page import PageParameters
    from app.services.listing import RowPage

Limit = Annotated[int, typer.Option(min=1, help="Maximum number of lines.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
JsonLines = Annotated[
    bool, typer.Option("--json", help="Print one JSON object per line (NDJSON).")
]
Item = TypeVar("Item", bound="BaseModel")
Query = TypeVar("Query", bound="PageParameters")
MOST_ROWS = 100  # on a page
SECONDS = "%Y-%m-%dT%H:%M:%SZ"


def parse_filters(query: type[Query], **filters: object) -> Query:
    """Raises `BadParameter`, which names the option."""
    from pydantic import ValidationError

    from app.core.errors import own_words

    try:
        return query.model_validate(filters)
    except ValidationError as error:
        fault = error.errors()[0]
        option = f"--{fault['loc'][0]}"
        raise typer.BadParameter(own_words(fault["msg"]), param_hint=option) from None


async def show_list(
    read: "Callable[[Query], Awaitable[RowPage]]",
    query: Query,
    limit: int,
    model: "type[Item]",
    line: "Callable[[Item], str]",
    *,
    as_json: bool,
) -> None:
    """Show rows page by page. Say on stderr if there are more."""
    left = limit
    while left:
        page = await read(query.model_copy(update={"limit": min(left, MOST_ROWS)}))
        for row in page.items:
            found = model.model_validate(row)
            if as_json:
                show_json(found)
            else:
                output.print(line(found))
        if page.next_cursor is None:
            return
        left -= len(page.items)
        query = query.model_copy(update={"cursor": page.next_cursor})
    errors.print(f"There are more than {limit}. Raise --limit to see them.")


def show_json(item: "BaseModel", *without: str) -> None:
    """Print an item in ASCII, because other characters can control a terminal."""
    output.out(item.model_dump_json(ensure_ascii=True, exclude={*without}))
