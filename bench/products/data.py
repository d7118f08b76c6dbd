"""The products that all programs read."""

import asyncpg

PRODUCTS = 10_000
READ = 1000  # products, chosen at random
INSERT_PRODUCTS = """
INSERT INTO products (id, sku, name, description, price, currency, stock, category,
                      status, version, title_words, category_words,
                      description_words, created_at, updated_at)
SELECT uuidv7(), 'SKU-' || lpad(n::text, 8, '0'), 'Product number ' || n,
       repeat('As long as a description often is. ', 3),
       (n * 7919::bigint % 100000) / 100.0, 'EUR', n % 100, 'category-' || n % 20,
       'active', 1, 'product number ' || n || ' ^product ^number ^' || n,
       'category ' || n % 20, 'as long a description often is', at, at
FROM generate_series((SELECT count(*) + 1 FROM products), $1::int) AS n,
     LATERAL (SELECT timestamptz '2026-01-01' + n * interval '1.000001 s') AS t(at)
"""


async def fill(connection: asyncpg.Connection, times: int = 1) -> list[str]:
    """Add products until there are `times * PRODUCTS`, and return the ids of some.

    First delete the products that earlier requests have added.
    """
    await connection.execute("DELETE FROM products WHERE sku LIKE 'BENCH-%'")
    await connection.execute(INSERT_PRODUCTS, PRODUCTS * times)
    chosen = "SELECT id FROM products ORDER BY random() LIMIT $1"
    return [str(row["id"]) for row in await connection.fetch(chosen, READ)]
