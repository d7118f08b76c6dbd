from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import MISSING, AfterValidator, BaseModel, Field, StringConstraints

from app.schemas.base import (
    NOT_BLANK,
    Line,
    QueryParameters,
    Representation,
    RequestBody,
    composed,
    trimmed,
)
from app.schemas.money import Amount, Currency
from app.schemas.page import PageParameters, SearchText

MAX_STOCK = 2_000_000_000

Sku = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$", strip_whitespace=True
    ),
    Field(examples=["MUG-BLUE-03"]),
]
Description = Annotated[
    str, Field(max_length=5000), composed(5000), AfterValidator(str.strip)
]
Category = Annotated[
    str,
    Field(min_length=1, max_length=100, json_schema_extra=NOT_BLANK),
    composed(100),
    AfterValidator(trimmed),
]
Stock = Annotated[int, Field(ge=0, le=MAX_STOCK)]
Status = Literal["draft", "active", "archived"]


class ProductCreate(RequestBody):
    sku: Sku
    name: Line
    description: Description | None = None
    price: Amount
    currency: Currency
    stock: Stock = 0
    category: Category | None = None
    status: Status = "draft"


class ProductUpdate(RequestBody):
    """A partial change: an absent field keeps its value."""

    sku: Sku | MISSING = MISSING
    name: Line | MISSING = MISSING
    description: Description | None | MISSING = MISSING
    price: Amount | MISSING = MISSING
    currency: Currency | MISSING = MISSING
    stock: Stock | MISSING = MISSING
    category: Category | None | MISSING = MISSING
    status: Status | MISSING = MISSING


def not_zero(number: int) -> int:
    if number == 0:
        raise ValueError("Input should not be zero")
    return number


class StockChange(RequestBody):
    delta: Annotated[
        int,
        Field(
            ge=-MAX_STOCK,
            le=MAX_STOCK,
            description="How many arrive (positive) or leave (negative); not zero.",
            json_schema_extra={"not": {"const": 0}},
        ),
        AfterValidator(not_zero),
    ]
    reason: Line


class StockMovementRead(Representation):
    id: UUID
    product_id: UUID
    delta: int
    stock_after: int
    reason: str
    actor_id: UUID | None
    created_at: datetime


class ProductQuery(PageParameters):
    """Asks for the products that match all given filters."""

    q: SearchText = Field(
        None, description="Words that begin words of name, SKU, category, description."
    )
    category: Category | None = None
    status: Status | None = None
    min_price: Amount | None = None
    max_price: Amount | None = None
    in_stock: bool | None = None
    sort: Literal["created_at", "-created_at", "price", "-price", "name", "-name"] = (
        Field(
            "-created_at",
            description="A search without it has matches of name and SKU first.",
        )
    )

    @property
    def by_relevance(self) -> bool:
        return self.q is not None and "sort" not in self.model_fields_set


class ProductRead(Representation):
    id: UUID
    sku: str
    name: str
    description: str | None
    price: Decimal
    currency: str
    stock: int
    category: str | None
    status: Status
    version: int
    created_at: datetime
    updated_at: datetime


FileFormat = Literal["ndjson", "csv"]
ImportMode = Literal["strict", "partial"]


class ImportQuery(QueryParameters):
    mode: ImportMode = "strict"


class ExportQuery(QueryParameters):
    format: FileFormat = "ndjson"


class ProductRow(RequestBody):
    """A row as the export writes it.

    None keeps the value that a known product has. The service decides on `id` and the
    fields below it, and ignores them here.
    """

    sku: Sku
    name: Line
    description: Description | None = None
    price: Amount
    currency: Currency
    stock: Stock | None = None
    category: Category | None = None
    status: Status | None = None
    id: Any = None
    version: Any = None
    created_at: Any = None
    updated_at: Any = None


class LineFault(BaseModel):
    """A fault in a line of the file."""

    line: int = Field(description="Counted from 1, a CSV header included.")
    pointer: str
    code: str
    message: str


class ImportReport(BaseModel):
    """How many rows of an import became products, and which did not."""

    created: int
    updated: int
    failed: int
    errors: list[LineFault] = Field(description="The first 100.")
