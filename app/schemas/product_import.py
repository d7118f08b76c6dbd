from typing import Any, Literal

from pydantic import BaseModel, Field

from app.schemas.base import Line, QueryParameters, RequestBody
from app.schemas.money import Amount, Currency
from app.schemas.product import Category, Description, Sku, Status, Stock

FileFormat = Literal["ndjson", "csv"]
ImportMode = Literal["strict", "partial"]


class ImportQuery(QueryParameters):
    mode: ImportMode = "strict"


class ExportQuery(QueryParameters):
    format: FileFormat = "ndjson"


class ProductRow(RequestBody):
    """A row as the export writes it; what the service decides is read and ignored.

    None leaves a known product's field as it is.
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
    """One thing that is wrong with a line of the file."""

    line: int = Field(description="Counted from 1, a CSV header included.")
    pointer: str
    code: str
    message: str


class ImportReport(BaseModel):
    """What became of the rows of an import."""

    created: int
    updated: int
    failed: int
    errors: list[LineFault] = Field(description="The first 100.")
