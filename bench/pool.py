"""The asyncpg pool of the comparison programs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import asyncpg
from fastapi import Depends, Request

from bench.comparison import DATABASE_URL, DB_POOL_SIZE


def open_pool(*, reset: bool = True) -> Any:
    """Make a pool for `async with`. Without `reset`, a release needs no round trip."""
    options = {} if reset else {"reset": keep}
    return asyncpg.create_pool(
        DATABASE_URL, min_size=DB_POOL_SIZE, max_size=DB_POOL_SIZE, **options
    )


async def keep(_: object) -> None:
    """Leave the connection as it is."""


@asynccontextmanager
async def lifespan(_: object) -> AsyncGenerator[dict[str, asyncpg.Pool]]:
    """Put the pool into the state of each request, for Starlette and FastAPI."""
    async with open_pool() as pool:
        yield {"pool": pool}


async def get_pool(request: Request) -> asyncpg.Pool:
    return request.state.pool


PoolDep = Annotated[asyncpg.Pool, Depends(get_pool)]
