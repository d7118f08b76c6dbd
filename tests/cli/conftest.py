import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from app.core.config import Settings
from testbed.service import command, make_environment

Run = Callable[..., Awaitable["CompletedProcess[str]"]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a command whose home and working directory are empty."""
    return make_environment(tmp_path)


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> Run:
    """Run a command, written as one line."""
    environment = make_environment(
        tmp_path, DATABASE_URL=settings.database_url, REDIS_URL=settings.redis_url
    )

    async def run(line: str, stdin: str = "") -> "CompletedProcess[str]":
        return await asyncio.to_thread(
            command, *line.split(), environment=environment, stdin=stdin
        )

    return run
