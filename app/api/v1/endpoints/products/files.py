"""Import and export of products as files."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import closing
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from app.api.dependencies import SessionDep, StateDep
from app.api.errors import documented
from app.api.idempotency import Idempotent
from app.api.media_types import media_type_of
from app.api.routes import api_router
from app.api.streams import StreamedResponse
from app.api.uploads import upload
from app.api.v1.endpoints.products.items import ProductEditor
from app.core.errors import Overloaded
from app.schemas.product import ExportQuery, FileFormat, ImportQuery, ImportReport
from app.services.products.exporting import export_products
from app.services.products.files.spool import NoRoom
from app.services.products.importing import ImportRejected, ProductFile, ProductImport
from app.state import AppState


class FileSlots:
    """Limits how many files a process handles at the same time."""

    def __init__(self, state: AppState) -> None:
        self.uploads = asyncio.Semaphore(state.settings.import_max_uploads)
        self.imports = asyncio.Lock()
        # Without a replica, exports use the same connections as changes, and a client
        # may read slowly. Exports therefore use at most half of these connections, but
        # at least one.
        self.exports = asyncio.Semaphore(max(1, state.settings.db_pool_size // 4))


async def get_import_turn(state: StateDep) -> AsyncGenerator[None]:
    """Let one import of a process use a connection. Other imports wait without one."""
    async with state.single(FileSlots).imports:
        yield


async def read_product_file(
    _: ProductEditor,
    state: StateDep,
    request: Request,
    query: Annotated[ImportQuery, Query()],
) -> AsyncGenerator[ProductFile]:
    """Read the file. Raise `Overloaded` first if the process handles too many files."""
    format_ = MEDIA_TYPES[media_type_of(request, MEDIA_TYPES)]
    uploads = state.single(FileSlots).uploads
    if uploads.locked():
        raise Overloaded
    async with uploads:
        with closing(ProductFile(query.mode)) as file:
            await file.read(request.stream(), format_)
            yield file


async def get_product_import(session: SessionDep) -> ProductImport:
    return ProductImport(session)


ProductFileDep = Annotated[ProductFile, Depends(read_product_file, scope="function")]
ImportTurn = Annotated[None, Depends(get_import_turn, scope="function")]
ProductImportDep = Annotated[ProductImport, Depends(get_product_import)]

router = api_router("/products", tags=["products"])

MEDIA_TYPES: dict[str, FileFormat] = {
    "application/x-ndjson": "ndjson",
    "text/csv": "csv",
}
ROW = '{"sku": "MUG-BLUE-03", "name": "Blue mug", "price": "12.50", "currency": "EUR"}'
CONTENT: dict[str, Any] = {
    "application/x-ndjson": {"schema": {"type": "string"}, "example": f"{ROW}\n"},
    "text/csv": {
        "schema": {"type": "string"},
        "example": "sku,name,price,currency\r\nMUG-BLUE-03,Blue mug,12.50,EUR\r\n",
    },
}


@router.post(
    "/import",
    responses=documented(ImportRejected, NoRoom),
    openapi_extra={"requestBody": {"required": True, "content": CONTENT}},
)
@upload(max_bytes="import_max_body_bytes", seconds="import_timeout_seconds")
async def import_products(
    editor: ProductEditor,
    # Dependencies run in this order: the whole file has arrived before the import takes
    # its turn, and before an Idempotency-Key begins a transaction. A slow client
    # therefore does not hold up other imports.
    file: ProductFileDep,
    _turn: ImportTurn,
    _once: Idempotent,
    imports: ProductImportDep,
) -> ImportReport:
    """Create products from a file, and update those whose SKU exists.

    Each row has the fields of a new product. An existing product keeps the fields that
    its row leaves out. `strict` imports all rows or none, and `partial` imports the
    valid rows.
    """
    return await imports.store(file, editor.user_id)


@router.get(
    "/export",
    name="export_products",
    status_code=HTTPStatus.OK,  # `StreamedResponse` has no default for FastAPI
    response_class=StreamedResponse,
    responses={200: {"description": "One product per line.", "content": CONTENT}},
)
async def export(
    _: ProductEditor, state: StateDep, query: Annotated[ExportQuery, Query()]
) -> StreamedResponse:
    """Read all products as one consistent snapshot.

    In CSV, the service adds an apostrophe before text that a spreadsheet would run as a
    formula. An import removes this apostrophe again.
    """
    [media_type] = (
        name for name, value in MEDIA_TYPES.items() if value == query.format
    )
    disposition = f'attachment; filename="products.{query.format}"'
    return StreamedResponse(
        export_products(state.database, query.format),
        state.single(FileSlots).exports,
        state.settings.export_time,
        media_type=media_type,
        headers={"Content-Disposition": disposition},
    )
