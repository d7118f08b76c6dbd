"""The catalogue as files."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from app.api.authentication import InsufficientScope
from app.api.dependencies import ProductEditor, ProductImportDep, ResourcesDep
from app.api.errors import documented
from app.api.idempotency import IDEMPOTENCY, Idempotent, IdempotentRoute
from app.api.media_types import UnsupportedMediaType, media_type_of
from app.api.streams import StreamedResponse
from app.core.errors import Unauthorized
from app.schemas.product import (
    ExportQuery,
    FileFormat,
    ImportQuery,
    ImportReport,
)
from app.services.products.exporting import export_products
from app.services.products.files.spool import NoRoom
from app.services.products.importing import ImportRejected

router = APIRouter(
    prefix="/products",
    tags=["products"],
    route_class=IdempotentRoute,
    responses=documented(Unauthorized, InsufficientScope),
)

MEDIA_TYPES: dict[str, FileFormat] = {
    "application/x-ndjson": "ndjson",
    "text/csv": "csv",
}
TEXT: dict[str, Any] = {"schema": {"type": "string"}}
CONTENT = dict.fromkeys(MEDIA_TYPES, TEXT)


@router.post(
    "/import",
    responses=documented(UnsupportedMediaType, ImportRejected, NoRoom, *IDEMPOTENCY),
    openapi_extra={"requestBody": {"required": True, "content": CONTENT}},
)
async def import_products(
    editor: ProductEditor,
    _once: Idempotent,
    imports: ProductImportDep,
    request: Request,
    query: Annotated[ImportQuery, Query()],
) -> ImportReport:
    """Create products from a file, or update those whose SKU is known.

    A row has the fields of a new product; one that is there keeps what its row leaves
    out. `strict` imports all rows or none, `partial` those that are valid.
    """
    format_ = MEDIA_TYPES[media_type_of(request, MEDIA_TYPES)]
    return await imports.run(request.stream(), format_, query.mode, editor.user_id)


@router.get(
    "/export",
    status_code=HTTPStatus.OK,  # FastAPI finds no default in the class
    response_class=StreamedResponse,
    responses={200: {"description": "One product a line.", "content": CONTENT}},
)
async def export(
    _: ProductEditor,
    resources: ResourcesDep,
    query: Annotated[ExportQuery, Query()],
) -> StreamedResponse:
    """Read all products as one consistent snapshot.

    In CSV, text that a spreadsheet would run as a formula begins with an apostrophe,
    which an import takes away again.
    """
    [media_type] = (
        name for name, value in MEDIA_TYPES.items() if value == query.format
    )
    disposition = f'attachment; filename="products.{query.format}"'
    return StreamedResponse(
        export_products(resources.database, query.format),
        resources.exports,
        media_type=media_type,
        headers={"Content-Disposition": disposition},
    )
