"""Many rows, and how the database reads them."""

from typing import Any

from sqlalchemy import event, text

from app.db.session import Database, transaction

ROWS = 100_000
EXPRESSIONS = {
    "postgresql": {
        "series": "generate_series(1, :rows) AS series(n)",
        "id": "md5(n::text)::uuid",
        "at": "timestamptz '2026-01-01' + n * interval '1 s'",
        "later": "timestamptz '2999-01-01'",
        "price": "n % 1009",
        "salt": "'x'::bytea",
    },
    "sqlite": {
        "series": "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s"
        " WHERE n < :rows) SELECT n FROM s) AS series",
        "id": "printf('%032x', n * 48271)",
        "at": "strftime('%Y-%m-%d %H:%M:%f000', '2026-01-01', n || ' seconds')",
        "later": "'2999-01-01 00:00:00.000000'",
        "price": "n % 1009 * 100",
        "salt": "x'00'",
    },
}
# One row in a hundred is about the product, or the user, whose list is read.
FILL = (
    """
    INSERT INTO products
        (id, sku, name, description, price, currency, stock, category, status,
         version, title_words, description_words, created_at, updated_at)
    SELECT {id}, 'SKU-' || n, 'Mug ' || (n % 977),
        CASE WHEN n % 10000 = 1 THEN 'rare' END, {price}, 'EUR', n % 5,
        CASE WHEN n % 100 = 1 THEN 'small' ELSE 'category-' || (n % 6) END,
        CASE WHEN n % 1000 = 0 THEN 'archived' WHEN n % 10 = 0 THEN 'draft'
             ELSE 'active' END,
        1, 'mug ^mug', CASE WHEN n % 10000 = 1 THEN 'rare' END, {at}, {at}
    FROM {series}
    """,
    """
    INSERT INTO stock_movements
        (id, product_id, delta, stock_after, reason, created_at)
    SELECT {id}, CASE WHEN n % 100 = 0 THEN {product} ELSE {id} END, 1, 1, 'x', {at}
    FROM {series}
    """,
    """
    INSERT INTO users
        (id, email, email_canonical, password_hash, role, is_active, email_verified,
         version, created_at, updated_at)
    SELECT {id}, 'u' || n, 'u' || n, '',
        CASE WHEN n % 30000 = 0 THEN 'admin' WHEN n % 100 = 0 THEN 'editor'
             ELSE 'user' END,
        n % 1000 <> 0, true, 1, {at}, {at}
    FROM {series}
    """,
    """
    INSERT INTO auth_sessions
        (id, user_id, salt, generation, scope, amr, acr, auth_time, ip, last_ip,
         rotated_at, idle_expires_at, expires_at, created_at, updated_at)
    SELECT {id}, CASE WHEN n % 100 = 0 THEN {user} ELSE {id} END, {salt}, 0, '', '',
        '', {at}, '', '', {at}, {later}, {later}, {at}, {at}
    FROM {series}
    """,
    """
    INSERT INTO audit_events
        (id, occurred_at, event, outcome, actor_type, actor_id, subject_id, detail)
    SELECT {id}, {at},
        CASE WHEN n % 30000 = 0 THEN 'auth.refresh.reuse'
             WHEN n % 50 = 0 THEN 'auth.login.failure' ELSE 'auth.login.success' END,
        'success', 'user', CASE WHEN n % 100 = 0 THEN {user} ELSE {id} END,
        CASE WHEN n % 100 = 0 THEN {user} ELSE {id} END, '{{}}'
    FROM {series}
    """,
)


async def fill(database: Database, *, product_id: str, user_id: str) -> None:
    """Have so many rows in each table, and statistics where a service has them."""
    name = database.writer.dialect.name
    cast = "'{}'::uuid" if name == "postgresql" else "'{}'"
    values = {
        **EXPRESSIONS[name],
        "product": cast.format(product_id.replace("-", "")),
        "user": cast.format(user_id.replace("-", "")),
    }
    async with transaction(database) as session:
        for statement in FILL:
            await session.execute(text(statement.format(**values)), {"rows": ROWS})
    if name == "postgresql":  # which sees to it by itself; nobody tells SQLite
        async with transaction(database) as session:
            await session.execute(text("ANALYZE"))


class Plans:
    """The plan of each statement that reads while this is listening."""

    def __init__(self, database: Database) -> None:
        self.engine = database.reader
        self.statements: list[tuple[str, Any]] = []
        event.listen(self.engine.sync_engine, "before_cursor_execute", self.note)

    def note(self, _: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        if "LIMIT" in statement and not statement.startswith("EXPLAIN"):
            self.statements.append((statement, values))

    async def explain(self) -> list[str]:
        """The plans of the statements since the last time, each below its statement."""
        plans = [await self.of(*noted) for noted in self.statements]
        self.statements.clear()
        assert plans
        return plans

    async def of(self, statement: str, values: Any = ()) -> str:
        on_sqlite = self.engine.dialect.name == "sqlite"
        explain = "EXPLAIN QUERY PLAN " if on_sqlite else "EXPLAIN "
        async with self.engine.connect() as connection:
            found = await connection.exec_driver_sql(explain + statement, values)
            return "\n".join([statement, *(str(row[-1]) for row in found)])
