from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import MISSING, AfterValidator, BaseModel, Field, StringConstraints

from app.schemas.base import (
    MANY_LINES,
    ONE_LINE,
    Line,
    QueryParameters,
    Representation,
    RequestBody,
    composed,
    lines,
    trimmed,
)
from app.schemas.money import Amount, Currency, StoredCurrency
from app.schemas.page import PageParameters, SearchText

MAX_STOCK = 2_000_000_000

Sku = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$", strip_whitespace=True
    ),
    Field(examples=["MUG-BLUE-03"], json_schema_extra={"maxLength": 64}),
]
Description = Annotated[
    str,
    Field(
        max_length=5000,
        examples=["Holds a third of a litre."],
        json_schema_extra=MANY_LINES,
    ),
    composed(5000),
    AfterValidator(lines),
]
Category = Annotated[
    str,
    Field(
        min_length=1, max_length=100, examples=["kitchen"], json_schema_extra=ONE_LINE
    ),
    composed(100),
    AfterValidator(trimmed),
]
Stock = Annotated[int, Field(ge=0, le=MAX_STOCK, examples=[3])]
Status = Annotated[Literal["draft", "active", "archived"], Field(title="ProductStatus")]
Name = Annotated[Line, Field(examples=["Blue mug"])]


class ProductCreate(RequestBody):
    sku: Sku
    name: Name
    description: Description | None = None
    price: Amount
    currency: Currency
    stock: Stock = 0
    category: Category | None = None
    status: Status = "draft"


class ProductUpdate(RequestBody):
    """A partial change. A field that you leave out keeps its value."""

    sku: Sku | MISSING = MISSING
    name: Name | MISSING = MISSING
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
            examples=[-2],
            description="Number to add (positive) or to take (negative); not zero.",
            json_schema_extra={"not": {"const": 0}},
        ),
        AfterValidator(not_zero),
    ]
    reason: Annotated[Line, Field(examples=["sold"])]


class StockMovementRead(Representation):
    id: UUID
    product_id: UUID
    delta: int = Field(examples=[-2])
    stock_after: int
    reason: str = Field(examples=["sold"])
    actor_id: UUID | None
    created_at: datetime


class ProductQuery(PageParameters):
    """Filters and order of a list of products. A product must match all filters."""

    q: SearchText = Field(
        None,
        description="Search words. Each must be the beginning of a word of the name, "
        "SKU, category or description.",
    )
    category: Category | None = None
    status: Status | None = None
    min_price: Amount | None = Field(None, description="Lowest price.")
    max_price: Amount | None = Field(None, description="Highest price.")
    in_stock: bool | None = Field(
        None,
        description="`true`: only products with stock; `false`: only those without.",
    )
    sort: Literal["created_at", "-created_at", "price", "-price", "name", "-name"] = (
        Field(
            "-created_at",
            title="ProductSort",
            description="Order of the list. A search without `sort` lists first the "
            "products whose name or SKU matches.",
        )
    )

    @property
    def by_relevance(self) -> bool:
        return self.q is not None and "sort" not in self.model_fields_set


class ProductRead(Representation):
    id: UUID
    sku: str = Field(examples=["MUG-BLUE-03"])
    name: str = Field(examples=["Blue mug"])
    description: str | None = Field(examples=["Holds a third of a litre."])
    price: Decimal = Field(examples=["12.50"])
    currency: StoredCurrency
    stock: int = Field(examples=[3])
    category: str | None = Field(examples=["kitchen"])
    status: Status
    version: int
    created_at: datetime
    updated_at: datetime


FileFormat = Literal["ndjson", "csv"]
ImportMode = Literal["strict", "partial"]


class ImportQuery(QueryParameters):
    mode: ImportMode = Field(
        "strict",
        title="ImportMode",
        description="`strict` imports all rows or none. `partial` imports the valid "
        "rows.",
    )


class ExportQuery(QueryParameters):
    format: FileFormat = Field("ndjson", title="FileFormat")


class ProductRow(RequestBody):
    """A row of a file, in the form that the export writes.

    A field that is None keeps the value of the existing product. The service sets `id`
    and the fields below it, and ignores their values in the file.
    """

    sku: Sku
    name: Name
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

    line: int = Field(
        description="Number of the line. The first line, such as a CSV header, is 1."
    )
    pointer: str = Field(examples=["#/name"])
    code: str = Field(examples=["missing"])
    message: str = Field(examples=["Field required"])


class ImportReport(BaseModel):
    """The result of an import: counts of rows, and the faults found."""

    created: int
    updated: int
    failed: int
    errors: list[LineFault] = Field(description="At most the first 100 faults.")
