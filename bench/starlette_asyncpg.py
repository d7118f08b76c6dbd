"""Starlette and asyncpg, written by hand: routes, and no validation."""

from starlette.applications import Starlette
from starlette.routing import Mount

from bench.operations import PREFIX
from bench.pool import lifespan
from bench.registry import parts

ROUTES = [each for part in parts("starlette_asyncpg").values() for each in part.ROUTES]
app = Starlette(routes=[Mount(PREFIX, routes=ROUTES)], lifespan=lifespan)
