"""Other requests are answered while the service reads an invalid file."""

from asyncio import create_task

import pytest

from app.services.products.importing import MOST_FAILED
from tests.api.products.files import NDJSON, rows
from tests.support.people import Client
from tests.support.turns import longest_turn

CSV = {"Content-Type": "text/csv"}
HEADER = b"sku,name,price,currency\n"
MIB = 1 << 20
# Each file arrives in one chunk, which is the worst case.
FILES = {
    "short lines": (b"x\n" * (MIB // 4), NDJSON),
    "empty lines": (b"\n" * MIB, NDJSON),
    "unknown fields": (b'{"a": 1, "b": 2}\n' * 50_000, NDJSON),
    "a line of unknown fields": (
        b"{%s}\n" % b",".join(b'"k%d":1' % n for n in range(5500)),
        NDJSON,
    ),
    "rows": (rows(10_000, "S"), NDJSON),
    "cells with decimal commas": (HEADER + b"A,b,1,50,EUR\n" * 50_000, CSV),
    "invalid cells": (HEADER + b"!,,x,e\n" * 50_000, CSV),
    "an open quote": (HEADER + b'"' + b"\n" * MIB, CSV),
}


@pytest.mark.parametrize("name", FILES)
async def test_a_file_does_not_hold_up_other_requests(
    editor: Client, name: str
) -> None:
    """Mutants: let other requests run only between chunks; describe every fault."""
    content, headers = FILES[name]
    importing = create_task(
        editor.post("/products/import?mode=partial", content=content, headers=headers)
    )

    assert await longest_turn(importing) < 0.1  # seconds with the mutants
    assert importing.result().status_code == 200


async def test_a_strict_import_stops_parsing_a_hopeless_file(editor: Client) -> None:
    junk = b"x\n" * (2 * MOST_FAILED)

    response = await editor.post("/products/import", content=junk, headers=NDJSON)

    problem = response.json()
    assert response.status_code == 422
    assert MOST_FAILED <= problem["failed"] < 2 * MOST_FAILED
    assert problem["detail"] == (
        f"Nothing was imported. Invalid rows: at least {problem['failed']}."
    )
    assert len(problem["errors"]) == 100
