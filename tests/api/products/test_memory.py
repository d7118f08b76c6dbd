"""Imports and exports use little memory, whatever the size of the file."""

import json
import tracemalloc
from collections.abc import AsyncIterator

from fastapi import FastAPI

from app.services.products.exporting import export_products
from tests.support.people import Client

MIB = 1 << 20
ROW = {"name": "x", "price": "1", "currency": "EUR", "description": "\U0001f9ca" * 5000}
NDJSON = {"Content-Type": "application/x-ndjson"}


async def rows(count: int) -> AsyncIterator[bytes]:
    for number in range(count):
        row = json.dumps({**ROW, "sku": f"S{number}"}, ensure_ascii=False)
        yield row.encode() + b"\n"


async def test_an_import_keeps_little_of_a_file_in_memory(editor: Client) -> None:
    """Mutant: end a batch only after a number of lines, not at a size."""
    tracemalloc.start()
    try:
        response = await editor.post(
            "/products/import", content=rows(1000), headers=NDJSON
        )
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert response.json()["created"] == 1000
    assert most < 16 * MIB


async def test_an_export_keeps_few_rows_in_memory(app: FastAPI, editor: Client) -> None:
    """Mutant: yield all rows at once."""
    rows = [json.dumps({**ROW, "sku": f"S{n}"}) for n in range(1200)]
    await editor.post("/products/import", content="\n".join(rows), headers=NDJSON)

    export = export_products(app.state.shared.database, "ndjson")
    sizes = [chunk.count(b"\n") async for chunk in export]

    assert sum(sizes) == 1200
    assert max(sizes) <= 1000
