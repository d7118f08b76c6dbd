"""Exports that PostgreSQL writes have the same bytes as those of Python on SQLite."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import insert

from app.db.models.product import Product
from app.db.session import transaction
from app.services.products.exporting import SELECT_ALL, write_csv, write_ndjson
from tests.support.people import Client

TEXTS = (
    *("", " ", "plain", "a,b", 'a "b"', '"', '""', "'", "\\", "\\.", "\\n", "null"),
    *("é", "\U0001f9ca", "\u2028", "\x7f", "\x85", "a\r\nb", "\n", "\r", "a\tb", "/"),
    *('x\n,"x"\ny', ',"x"\n', 'x"\n', '"x"', '"\n', "</script>", "%s", "{}"),
    *("\uff1d1", "'\uff0b1", "x,\uff0d", "\uff20", "\t\r\n'=", "a-b", "it's", ";;\t=1"),
    "".join(map(chr, range(1, 0x20))),
    *(f"{first}{sign}1" for first in ("", ";", ",", "\t", "\n") for sign in "=+-@'\""),
    *(f'{first}\'""=' for first in ("", ";", "x;'", "x")),
)
TIMES = [datetime(2026, 1, 2, 3, 4, 5, n, UTC) for n in (0, 1, 120_000, 999_999)]
TIMES += [datetime(year, 12, 31, 23, tzinfo=UTC) for year in (1, 1969, 9999)]
PRICES = [Decimal(each) for each in ("0.00", "0.10", "12.50", "999999999999.99")]


def make_products() -> list[dict[str, Any]]:
    return [
        {
            "id": UUID(int=number),
            "sku": f"{text}{number}",
            "name": text,
            "description": (None, text)[number % 2],
            "price": PRICES[number % len(PRICES)],
            "currency": (text or "EUR")[:3],
            "stock": number * 10**7,
            "category": (text, None, "cups")[number % 3],
            "status": ("draft", "active", "archived")[number % 3],
            "version": number + 1,
            "created_at": TIMES[number % len(TIMES)],
            "updated_at": TIMES[(number + 1) % len(TIMES)],
        }
        for number, text in enumerate(TEXTS * 6)
    ]


@pytest.mark.parametrize("format_", ["ndjson", "csv"])
async def test_an_export_has_the_bytes_that_python_writes(
    app: FastAPI, editor: Client, format_: str
) -> None:
    """Mutants: leave out `nullif`; write microseconds that are 0."""
    database = app.state.shared.database
    async with transaction(database) as session:
        await session.execute(insert(Product), make_products())
    async with database.reader.connect() as connection:
        rows = (await connection.execute(SELECT_ALL)).all()
        names = [each.name for each in SELECT_ALL.selected_columns]

    exported = await editor.get(f"/products/export?format={format_}")

    expected = write_ndjson(rows)
    if format_ == "csv":
        expected = (",".join(names) + "\r\n").encode() + write_csv(rows)
    assert exported.content == expected
    assert len(rows) == 6 * len(TEXTS)
