"""Short timeouts, and locks that are held for longer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from testbed.postgres import execute

SHORT = {"db_lock_timeout_seconds": 1, "db_statement_timeout_seconds": 1.5}
HELD_SECONDS = 0.1
TIMEOUTS = ("statement", "lock", "idle_in_transaction_session")
LIFTED = {f"{name}_timeout": "0" for name in TIMEOUTS}
# Counts the waits for locks that have lasted for more than two seconds.
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
    """Ask until the answer to the question is not zero."""
    connection = await asyncpg.connect(url, server_settings=LIFTED)
    try:
        while not await connection.fetchval(question):
            assert not ended.done(), ended
            await asyncio.sleep(0.02)
    finally:
        await connection.close()


@asynccontextmanager
async def busy(engine: AsyncEngine) -> AsyncIterator[None]:
    """Use all connections until a task that the block started has waited for one."""
    pool: Any = engine.pool
    async with AsyncExitStack() as stack:
        for _ in range(pool.size()):
            await stack.enter_async_context(engine.connect())
        yield
        while not pool.waiting:
            await asyncio.sleep(0)
        await asyncio.sleep(HELD_SECONDS)
