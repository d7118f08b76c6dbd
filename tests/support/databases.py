"""Databases on PostgreSQL for tests, used again unless a test has changed the schema.

To copy a template creates about 750 files, which takes longer than most tests.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import asyncpg
from sqlalchemy import make_url

from testbed.postgres import execute

SCHEMA = """
SELECT md5(string_agg(line, chr(10) ORDER BY line)) FROM (
    SELECT concat_ws(' ', 'relation', oid::regclass, relkind, reloptions)
      FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', 'column', attrelid::regclass, attname,
           format_type(atttypid, atttypmod), attnotnull, attstattarget)
      FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
     WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', 'index', pg_get_indexdef(indexrelid), indisvalid)
      FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
     WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname,
           pg_get_constraintdef(oid))
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(oid), tgenabled)
      FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT concat_ws(' ', 'function', oid::regprocedure, prosrc)
      FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', 'schema', nspname)
      FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%'
    UNION ALL SELECT concat_ws(' ', 'setting', setconfig)
      FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase
     WHERE datname = current_database()
    UNION ALL SELECT concat_ws(' ', 'revision', version_num) FROM alembic_version
    UNION ALL SELECT concat_ws(' ', 'statistics', starelid::regclass)
      FROM pg_statistic JOIN pg_class ON pg_class.oid = starelid
     WHERE relnamespace = 'public'::regnamespace
) AS lines (line)
"""
SESSIONS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND backend_type = 'client backend'
"""
FILLED = """
SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
   AND relname <> 'alembic_version' AND pg_relation_size(oid) > 0
"""


class Databases:
    """Copies of a template; each caller gets one without rows."""

    def __init__(self, server_url: str, template: str) -> None:
        self._server_url = server_url
        self._template = template
        self._schema: str = asyncio.run(self._ask(self._url(template), SCHEMA))
        self._clean: list[str] = []

    @contextmanager
    def borrow(self) -> Iterator[str]:
        """Yield the URL of an empty database."""
        name = self._clean.pop() if self._clean else self._create()
        yield self._url(name)
        if asyncio.run(self._empty(self._url(name))):
            self._clean.append(name)
        else:
            self._on_the_server(f"DROP DATABASE {name} WITH (FORCE)")

    def drop(self) -> None:
        for name in self._clean:
            self._on_the_server(f"DROP DATABASE {name} WITH (FORCE)")

    def _url(self, name: str) -> str:
        url = make_url(self._server_url).set(database=name)
        return url.render_as_string(hide_password=False)

    def _create(self) -> str:
        name = f"test_{uuid4().hex}"
        self._on_the_server(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return name

    def _on_the_server(self, statement: str) -> None:
        asyncio.run(execute(self._server_url, statement))

    async def _ask(self, url: str, query: str) -> str:
        connection = await asyncpg.connect(url)
        try:
            return str(await connection.fetchval(query))
        finally:
            await connection.close()

    async def _empty(self, url: str) -> bool:
        """Remove all rows. Return False if the schema changed or a session is open."""
        connection = await asyncpg.connect(url)
        try:
            if await connection.fetchval(SESSIONS):
                return False
            if await connection.fetchval(SCHEMA) != self._schema:
                return False
            if tables := await connection.fetchval(FILLED):
                # Act as a replica, which skips the triggers that keep audit events.
                await connection.execute("SET session_replication_role = replica")
                await connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
            await connection.execute("SELECT pg_stat_reset()")
            return True
        finally:
            await connection.close()
