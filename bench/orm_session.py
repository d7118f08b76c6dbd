"""The session of a request, as the tutorials write it."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from bench.comparison import DATABASE_URL, DB_POOL_SIZE

engine = create_async_engine(
    DATABASE_URL.replace("postgresql:", "postgresql+asyncpg:"),
    pool_size=DB_POOL_SIZE,
    max_overflow=0,
)
sessions = async_sessionmaker(engine, expire_on_commit=False)


async def get_session() -> AsyncGenerator[AsyncSession]:
    async with sessions() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]
