"""Migrates, fills and analyses the database that all programs share."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg

from bench.accounts.operations import EMAIL, FLOODED, PASSWORD
from bench.registry import parts

ROOT = Path(__file__).parents[1]


def prepare(environment: Mapping[str, str]) -> None:
    """Migrate the database and add the accounts that the bench uses."""
    create = ("users", "create", "--password-stdin", "--role", "editor", "--email")
    for arguments in (("db", "upgrade"), (*create, EMAIL), (*create, FLOODED)):
        subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            cwd=ROOT,
            env=environment,
            input=PASSWORD.encode(),
            check=True,
            capture_output=True,
        )


async def fill(url: str, times: int = 1) -> dict[str, Sequence[str]]:
    """Add the rows of each resource, `times` as many as usual, and return ids."""
    connection = await asyncpg.connect(url)
    try:
        ids = {
            resource: await part.fill(connection, times)
            for resource, part in parts("data").items()
        }
        await connection.execute("VACUUM ANALYZE")
        return ids
    finally:
        await connection.close()
