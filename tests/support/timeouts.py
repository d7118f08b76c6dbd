"""Short timeouts, and locks that are held for longer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import make_url

from testbed.postgres import execute

SHORT = {"db_lock_timeout_seconds": 1, "db_statement_timeout_seconds": 1.5}
TIMEOUTS = ("statement", "lock", "idle_in_transaction_session")
LIFTED = {f"{name}_timeout": "0" for name in TIMEOUTS}
# Counts the waits that last twice as long as the timeouts allow.
WAITS = """
    SELECT count(*) FROM pg_locks
    WHERE NOT granted AND waitstart < now() - interval '2s'
"""


async def set_timeouts(url: str) -> None:
    """Let the database set all timeouts to one second, where the service does not."""
    name = make_url(url).database
    for timeout in TIMEOUTS:
        await execute(url, f"ALTER DATABASE {name} SET {timeout}_timeout = '1s'")


@asynccontextmanager
async def holding(url: str, statement: str) -> AsyncIterator[asyncpg.Connection]:
    """Keep the locks of a statement until the block ends."""
    connection = await asyncpg.connect(url, server_settings=LIFTED)
    try:
        async with connection.transaction():
            await connection.execute(statement)
            yield connection
    finally:
        await connection.close()


async def until(url: str, question: str, ended: asyncio.Future[Any]) -> None:
    """Return when the answer to the question is not zero."""
    connection = await asyncpg.connect(url, server_settings=LIFTED)
    try:
        while not await connection.fetchval(question):
            assert not ended.done(), ended
            await asyncio.sleep(0.02)
    finally:
        await connection.close()
