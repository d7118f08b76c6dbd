"""Files of any size pass through little memory."""

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


async def test_an_import_holds_little_of_a_large_file(editor: Client) -> None:
    """Mutant: bound what waits for the disk by rows only."""
    tracemalloc.start()
    try:
        response = await editor.post(
            "/products/import", content=rows(2000), headers=NDJSON
        )
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert response.json()["created"] == 2000
    assert most < 32 * MIB


async def test_an_export_holds_a_batch(app: FastAPI, editor: Client) -> None:
    """Mutant: fetch all rows at once."""
    rows = [json.dumps({**ROW, "description": "", "sku": f"S{n}"}) for n in range(2500)]
    await editor.post("/products/import", content="\n".join(rows), headers=NDJSON)

    export = export_products(app.state.shared.database, "ndjson")
    sizes = [chunk.count(b"\n") async for chunk in export]

    assert (sum(sizes), max(sizes)) == (2500, 1000)
