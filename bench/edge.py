"""Measures the middleware: one endpoint with it and without it.

In both cases the endpoint answers a GET from SQLite through the ORM, in this process
and without a server, so that other work does not hide the difference. The limiter is
compared with a bare EVALSHA of its script, on a Valkey that this program starts.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import redirect_stdout
from datetime import timedelta
from itertools import count
from pathlib import Path
from statistics import median
from uuid import UUID

import uvloop
from fastapi import FastAPI, HTTPException
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from starlette.types import ASGIApp, Message, Scope

from app.api.errors import add_error_handlers
from app.core import rate_limit
from app.core.config import Settings
from app.core.logging import configure_logging
from app.core.rate_limit.client import create_redis_client
from app.core.rate_limit.memory import MemoryRateLimiter
from app.core.rate_limit.policy import Hit, Policy
from app.core.rate_limit.redis import RedisRateLimiter
from app.core.rate_limit.resilient import ResilientRateLimiter
from app.db import migrate
from app.db.models.user import User
from app.db.session import Database
from app.demo import users
from app.main import middleware
from app.schemas.user import UserRead
from testbed.valkey import start_valkey

ONE = Policy("one", 100, timedelta(hours=1))
OTHER = Policy("other", 1000, timedelta(hours=1))
Work = Callable[[], Awaitable[object]]
Rounds = dict[str, list[tuple[float, float]]]
HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"bench"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"authorization", b"Bearer " + b"x" * 400),
]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.edge", description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--times", type=int, default=20, help="calls in a round")
    options = parser.parse_args(arguments)
    console = Console()
    table = Table(title="Medians of interleaved rounds, and of their ratios")
    table.add_column("what")
    for heading in ("CPU µs", "to the first", "µs", "to the first"):
        table.add_column(heading, justify="right")
    with (
        tempfile.TemporaryDirectory() as directory,
        open(os.devnull, "w") as nowhere,
        redirect_stdout(nowhere),  # the log is written, but not kept
    ):
        configure_logging(level="info", json=True)
        for measure in (edge, limiter):
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                rounds = runner.run(
                    measure(Path(directory), options.rounds, options.times)
                )
            table.add_section()
            first = next(iter(rounds.values()))
            for name, measured in rounds.items():
                cells = [
                    cell
                    for cost, base in zip(
                        zip(*measured, strict=True),
                        zip(*first, strict=True),
                        strict=True,
                    )
                    for cell in (
                        f"{median(cost):,.0f}",
                        f"{median_ratio(cost, base):.2f}",
                    )
                ]
                table.add_row(name, *cells)
    console.print(table)


async def edge(directory: Path, rounds: int, times: int) -> Rounds:
    url = f"sqlite+aiosqlite:///{directory / 'bench.db'}"
    settings = Settings(_env_file=None, database_url=url, log_format="json")
    await migrate.upgrade(settings)
    database = Database(settings)
    await users.add(database, count=20)
    await database.close()
    engine = create_async_engine(url)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    async with sessions() as session:
        user_id = await session.scalar(select(User.id))
    assert user_id is not None
    bare = FastAPI()
    edged = FastAPI(middleware=middleware(settings))
    add_error_handlers(edged)
    for app in (bare, edged):
        add_endpoint(app, sessions)
    measured = await interleaved(
        {
            "GET from SQLite, bare FastAPI": lambda: get(bare, user_id),
            "the same inside the edge": lambda: get(edged, user_id),
        },
        rounds,
        times,
    )
    await engine.dispose()
    return measured


def median_ratio(costs: Sequence[float], bases: Sequence[float]) -> float:
    """Compare within each round, because other load on the machine changes."""
    return median(cost / base for cost, base in zip(costs, bases, strict=True))


def add_endpoint(app: FastAPI, sessions: async_sessionmaker[AsyncSession]) -> None:
    @app.get("/users/{user_id}", response_model=UserRead)
    async def read(user_id: UUID) -> User:
        async with sessions() as session:
            found = await session.get(User, user_id)
        if found is None:
            raise HTTPException(404)
        return found


async def get(app: ASGIApp, user_id: UUID) -> None:
    path = f"/users/{user_id}"
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(HEADERS),
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, expect_200)


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def expect_200(message: Message) -> None:
    assert message.get("status", 200) == 200, message


async def limiter(directory: Path, rounds: int, times: int) -> Rounds:
    with start_valkey(directory) as server:
        async with (
            Redis.from_url(server.url) as bare,
            create_redis_client(server.url) as client,
        ):
            text = Path(rate_limit.__file__).with_name("hit.lua").read_text()
            script: str = await bare.script_load(text)
            limits = ResilientRateLimiter(RedisRateLimiter(client), MemoryRateLimiter())
            names = map(str, count())

            def ask(server: Redis) -> Work:
                arguments = (100, 3_600_000_000, 1, 1)
                return lambda: server.evalsha(script, 1, next(names), *arguments)

            def check(*policies: Policy) -> Work:
                # Each call has a new partition, because a refusal would cost less.
                return lambda: limits.hit(*(Hit(p, next(names)) for p in policies))

            return await interleaved(
                {
                    "EVALSHA of the script, redis-py as it comes": ask(bare),
                    "the same by the limiter's client": ask(client),
                    "one limit": check(ONE),
                    "two limits": check(ONE, OTHER),
                    "16 requests at once, one limit": at_once(16, check(ONE)),
                },
                rounds,
                times,
            )


def at_once(number: int, work: Work) -> Work:
    return lambda: asyncio.gather(*(work() for _ in range(number)))


async def interleaved(works: Mapping[str, Work], rounds: int, times: int) -> Rounds:
    """Measure each work in turns: CPU and time, in microseconds a call."""
    measured: Rounds = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            cpu, clock = time.process_time(), time.perf_counter()
            for _ in range(times):
                await work()
            cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
            if turn:  # the first one warms up
                measured[name].append((cpu / times * 1e6, clock / times * 1e6))
    return measured


if __name__ == "__main__":
    main(sys.argv[1:])
