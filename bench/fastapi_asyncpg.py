"""FastAPI and asyncpg: dependencies and models, but neither an ORM nor our layers."""

from fastapi import FastAPI

from bench.operations import PREFIX
from bench.pool import lifespan
from bench.registry import parts

app = FastAPI(lifespan=lifespan)
for part in parts("fastapi_asyncpg").values():
    app.include_router(part.router, prefix=PREFIX)
