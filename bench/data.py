"""The database that all programs share: migrated, filled, analysed."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from bench.operations import EMAIL

ROOT = Path(__file__).parents[1]
PRODUCTS = 10_000

INSERT_PRODUCTS = """
INSERT INTO products (id, sku, name, description, price, currency, stock, category,
                      status, version, title_words, category_words,
                      description_words, created_at, updated_at)
SELECT uuidv7(), 'SKU-' || lpad(n::text, 8, '0'), 'Product number ' || n,
       repeat('As long as a description often is. ', 3),
       (n * 7919 % 100000) / 100.0, 'EUR', n % 100, 'category-' || n % 20,
       'active', 1, 'product number ' || n || ' ^product ^number ^' || n,
       'category ' || n % 20, 'as long a description often is', at, at
FROM generate_series(1, $1::int) AS n,
     LATERAL (SELECT timestamptz '2026-01-01' + n * interval '1.000001 s') AS t(at)
"""


def migrate(environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "app", "db", "upgrade"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)


async def fill(url: str) -> list[str]:
    """Make the products, and return their ids."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(INSERT_PRODUCTS, PRODUCTS)
        await connection.execute("VACUUM ANALYZE")
        return [
            str(row["id"])
            for row in await connection.fetch("SELECT id FROM products ORDER BY id")
        ]
    finally:
        await connection.close()


async def make_editor(url: str) -> None:
    """Let the user whom the API has made write products."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "UPDATE users SET role = 'editor' WHERE email_canonical = $1", EMAIL
        )
    finally:
        await connection.close()
