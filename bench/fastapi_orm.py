"""FastAPI and the ORM as the tutorials write them, over the application's tables.

Models and schemas are the application's, so that both do the same work and answer
the same bytes. This program uses nothing else of the application.
"""

from fastapi import FastAPI

from bench.operations import PREFIX
from bench.registry import parts

app = FastAPI()
for part in parts("fastapi_orm").values():
    app.include_router(part.router, prefix=PREFIX)
