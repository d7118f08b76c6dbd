"""Send 200 requests in parallel: the service never exceeds its connection budget.

    python -m drills.connections

Four workers share a PostgreSQL that accepts few connections. Then the drill locks a
table and sends changes to it. When the service has answered all of them, no query may
still wait in PostgreSQL.
"""

import asyncio
from pathlib import Path

import asyncpg
import httpx2

from drills.program import ADMIN, main, make_parser, serving
from drills.timeline import Outcome, Timeline
from testbed.accounts import log_in
from testbed.postgres import PostgresServer
from testbed.service import Service

WORKERS, POOL, PROBE = 4, 2, 1
CLOSING = 1  # per worker: PostgreSQL counts a connection until its process has ended
BUDGET = WORKERS * (POOL + PROBE + CLOSING)
REQUESTS, LOCKED, AFTERWARDS = 200, 60, 10
OPEN = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND pid <> $1"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


async def ask(client: httpx2.AsyncClient, seen: Timeline, *, change: bool) -> None:
    sent, url = seen.now, "/api/v1/users/me"
    body = {"full_name": "Ada"}
    answer = await (client.patch(url, json=body) if change else client.get(url))
    seen.note(sent, answer.status_code)


async def watch(monitor: asyncpg.Connection, seen: list[int]) -> None:
    """Append the number of open connections to `seen` until the task is cancelled."""
    own = monitor.get_server_pid()
    while True:
        seen.append(await monitor.fetchval(OPEN, own))
        await asyncio.sleep(0.01)


async def drill(postgres: PostgresServer, service: Service) -> Outcome:
    headers = await asyncio.to_thread(log_in, service, ADMIN)
    seen, open_at_once = Timeline(), list[int]()
    monitor = await asyncpg.connect(postgres.url)
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(
        base_url=service.url, headers=headers, timeout=60, limits=limits
    ) as client:
        watching = asyncio.create_task(watch(monitor, open_at_once))
        with seen.fault("storm"):
            requests = (ask(client, seen, change=n % 2 == 0) for n in range(REQUESTS))
            await asyncio.gather(*requests)
        watching.cancel()
        await asyncio.wait({watching})
        async with monitor.transaction():
            await monitor.execute("LOCK TABLE users IN EXCLUSIVE MODE")
            with seen.fault("locked"):
                changes = (ask(client, seen, change=True) for _ in range(LOCKED))
                await asyncio.gather(*changes)
            left = await monitor.fetchval(WAITING)
        after = [
            await client.get("/api/v1/users/me", timeout=60) for _ in range(AFTERWARDS)
        ]
    await monitor.close()
    return judge(seen, max(open_at_once), left, sum(a.is_success for a in after))


def judge(seen: Timeline, most: int, left: int, after: int) -> Outcome:

    figures = {
        f"at most {most} connections of {BUDGET}": most <= BUDGET,
        f"{left} queries left behind": left == 0,
        f"{after} of {AFTERWARDS} requests served afterwards": after == AFTERWARDS,
    }
    broken = [figure for figure, is_kept in figures.items() if not is_kept]
    broken += seen.other_than("200", "503", "504")
    return Outcome("; ".join([*figures, str(seen)]), broken, seen)


def run(home: Path) -> Outcome:
    settings = {"DB_POOL_SIZE": str(POOL), "DB_MAX_OVERFLOW": "0"}
    few = {"max_connections": str(BUDGET + 8)}
    workers = ("--workers", str(WORKERS))
    with serving(home, *workers, postgres=few, **settings) as (postgres, service):
        return asyncio.run(drill(postgres, service))


if __name__ == "__main__":
    main(make_parser(__doc__), run)
