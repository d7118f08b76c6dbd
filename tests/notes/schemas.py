from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import MISSING, AfterValidator, Field

from app.schemas.base import (
    MANY_LINES,
    Line,
    QueryParameters,
    Representation,
    RequestBody,
    lines,
)
from app.schemas.money import Amount
from app.schemas.page import PageParameters

Text = Annotated[
    str,
    Field(max_length=5000, examples=["Milk"], json_schema_extra=MANY_LINES),
    AfterValidator(lines),
]


class NoteCreate(RequestBody):
    title: Line
    text: Text = ""
    budget: Amount = Decimal("0.00")


class NoteUpdate(RequestBody):
    """A partial change: an absent field keeps its value."""

    title: Line | MISSING = MISSING
    text: Text | MISSING = MISSING
    budget: Amount | MISSING = MISSING


class NoteLikes(RequestBody):
    delta: Annotated[int, Field(ge=-1_000_000, le=1_000_000)]


class NoteUpload(QueryParameters):
    title: Line


class NoteQuery(PageParameters):
    """Which notes, in which order; filters are combined."""

    max_budget: Amount | None = None
    liked: bool | None = None
    sort: Literal[
        "created_at", "-created_at", "title", "-title", "budget", "-budget"
    ] = "-created_at"


class NoteRead(Representation):
    id: UUID
    title: str = Field(examples=["Groceries"])
    text: str = Field(examples=["Milk"])
    budget: Decimal = Field(examples=["12.50"])
    likes: int
    version: int
    created_at: datetime
    updated_at: datetime
