"""A service without `REDIS_URL` does not import the Redis client."""

import subprocess
import sys

START = """
import asyncio, sys
from app.core.config import Settings
from app.main import create_application

async def start():
    app = create_application(Settings(_env_file=None, database_url=sys.argv[1]))
    async with app.router.lifespan_context(app):
        assert "redis" not in sys.modules

asyncio.run(start())
"""


def test_a_start_does_not_import_the_client(sqlite_database_url: str) -> None:
    """Mutant: import `redis` at the top of a module that every process imports."""
    arguments = [sys.executable, "-c", START, sqlite_database_url]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
