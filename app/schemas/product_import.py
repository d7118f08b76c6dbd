from typing import Any, Literal

from pydantic import BaseModel, Field

from app.schemas.product import ProductCreate

FileFormat = Literal["ndjson", "csv"]
ImportMode = Literal["strict", "partial"]


class ProductRow(ProductCreate):
    """A row as the export writes it; what the service decides is read and ignored."""

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
