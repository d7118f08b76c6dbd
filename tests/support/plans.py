"""Fills tables with many rows and reads the query plans."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from app.db.session import Database, transaction
from tests.support.people import Client
from tests.support.watch import each_statement

Query = dict[str, Any]

ROWS = 100_000
EXPRESSIONS = {
    "postgresql": {
        "series": "generate_series(1, :rows) AS series(n)",
        "id": "md5(n::text)::uuid",
        "at": "timestamptz '2026-01-01' + n * interval '1 s'",
        "later": "timestamptz '2999-01-01'",
        "amount": "n % 1009",
        "salt": "'x'::bytea",
    },
    "sqlite": {
        "series": "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s"
        " WHERE n < :rows) SELECT n FROM s) AS series",
        "id": "printf('%032x', n * 48271)",
        "at": "strftime('%Y-%m-%d %H:%M:%f000', '2026-01-01', n || ' seconds')",
        "later": "'2999-01-01 00:00:00.000000'",
        "amount": "n % 1009 * 100",
        "salt": "x'00'",
    },
}
# One row in a hundred belongs to the user whose list the test reads.
FILL = (
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
    INSERT INTO notes
        (id, owner_id, title, text, budget, likes, version, created_at, updated_at)
    SELECT {id}, CASE WHEN n % 100 = 0 THEN {user} ELSE {id} END, 'Note ' || n, '',
        {amount}, n % 3, 1, {at}, {at}
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


async def fill(
    database: Database, statements: Sequence[str] = FILL, **ids: str
) -> None:
    """Fill tables, and collect the statistics that PostgreSQL has in production.

    `ids` replace the placeholders of the same names in the statements.
    """
    name = database.writer.dialect.name
    cast = "'{}'::uuid" if name == "postgresql" else "'{}'"
    values = {
        **EXPRESSIONS[name],
        **{name: cast.format(each.replace("-", "")) for name, each in ids.items()},
    }
    async with transaction(database) as session:
        for statement in statements:
            await session.execute(text(statement.format(**values)), {"rows": ROWS})
    if name == "postgresql":  # as autovacuum does in production
        async with transaction(database) as session:
            await session.execute(text("ANALYZE"))


class Plans:
    """Records each statement with a LIMIT, and explains its plan."""

    def __init__(self, database: Database) -> None:
        self.engine = database.reader
        self.statements: list[tuple[str, Any]] = []

    def note(self, statement: str, values: Any) -> None:
        if "LIMIT" in statement:
            self.statements.append((statement, values))

    async def explain(self) -> list[str]:
        """Return each statement since the last call, followed by its plan."""
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


class Lists:
    """Reads two pages of each list of a service with many rows."""

    def __init__(self, database: Database, **ids: str) -> None:
        self.database = database
        self.plans = Plans(database)
        self.ids = ids

    async def explain(self, client: Client, path: str, query: Query) -> list[str]:
        url = path.format(**self.ids)
        query = {name: value.format(**self.ids) for name, value in query.items()}
        with each_statement(self.plans.note):
            page = await client.get(url, params=query)
            assert page.status_code == 200, page.text
            assert page.json()["items"], f"{url} {query} finds nothing"
            if cursor := page.json()["next_cursor"]:
                await client.get(url, params={**query, "cursor": cursor})
        return await self.plans.explain()

    async def check(self, client: Client, path: str, query: Query) -> None:
        """Assert that no plan reads all rows of a table or sorts them."""
        backend = self.database.writer.dialect.name
        for plan in await self.explain(client, path, query):
            assert not scans(plan, backend), plan
            assert not sorts(plan), plan

    async def check_found_by(
        self, client: Client, path: str, indexes: dict[str, tuple[Query, ...]]
    ) -> None:
        """Assert that the plans use the index that finds few rows."""
        for index, queries in indexes.items():
            for query in queries:
                plans = await self.explain(client, path, query)
                assert all(index in plan for plan in plans), "\n".join(plans)


def sorts(plan: str) -> bool:
    return "Sort" in plan or "TEMP B-TREE" in plan


def scans(plan: str, backend: str) -> list[str]:
    """Find the lines of a plan that read a whole table without an index."""
    if backend == "postgresql":
        return re.findall("Seq Scan.*", plan)
    return re.findall(r"^SCAN (?!.* (?:USING|VIRTUAL) ).*", plan, re.MULTILINE)
