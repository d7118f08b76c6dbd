"""FastAPI and the ORM as the tutorials write them, over the application's tables.

This program uses the models and the schemas of the application, and its function that
makes the words for search. Therefore both programs do the same work and answer the same
bytes. This program uses nothing else of the application.
"""

from fastapi import FastAPI

from bench.operations import PREFIX
from bench.registry import parts

app = FastAPI()
for part in parts("fastapi_orm").values():
    app.include_router(part.router, prefix=PREFIX)
