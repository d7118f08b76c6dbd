"""Stop and then pause PostgreSQL under load: clients soon get a 503 or 504.

    python -m drills.database_outage [--seconds 10]

Each outage lasts for `--seconds`. Meanwhile the service says that it is alive but not
ready. After the outage it recovers without help.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from drills.load import Load
from drills.program import ADMIN, main, make_parser, serving
from drills.timeline import Outcome, Timeline
from testbed.accounts import log_in
from testbed.postgres import PostgresServer
from testbed.service import Service

PER_SECOND = 20
DEADLINE_SECONDS = 5
RECOVERED_WITHIN_SECONDS = 60
FIRST = 50  # requests after an outage; none of them may fail
READY = "/api/v1/health/ready"
READ = "GET /api/v1/users/me HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\r\n"
CHANGE = (
    "PATCH /api/v1/users/me HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n"
    "Content-Type: application/json\r\nContent-Length: 19\r\n\r\n"
    '{{"full_name":"Ada"}}'
)
LIVE = b"GET /api/v1/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def restart(postgres: PostgresServer) -> AsyncGenerator[None]:
    await asyncio.to_thread(postgres.stop)
    yield
    await asyncio.to_thread(postgres.start)


@asynccontextmanager
async def hang(postgres: PostgresServer) -> AsyncGenerator[None]:
    postgres.pause()
    yield
    postgres.resume()


async def drill(postgres: PostgresServer, service: Service, seconds: float) -> Outcome:
    token = (await asyncio.to_thread(log_in, service, ADMIN))["Authorization"]
    requests = [READ.format(token).encode(), CHANGE.format(token).encode()]
    seen, alive, broken, figures = Timeline(), Timeline(), [], []
    load = Load(service.port, requests, seen, gives_up_after=60)
    probes = Load(service.port, [LIVE], alive, gives_up_after=60)
    async with httpx2.AsyncClient(base_url=service.url, timeout=60) as client:
        for outage in restart, hang:
            sending = asyncio.gather(
                load.at_rate(PER_SECOND, seconds + 1),
                probes.at_rate(PER_SECOND / 4, seconds + 1),
            )
            with seen.fault(outage.__name__):
                async with outage(postgres):
                    unready = asyncio.create_task(until(client, 503))
                    await asyncio.sleep(seconds)
                    # Wait longer, because probes are late on a busy machine.
                    await asyncio.wait({unready}, timeout=2 * seconds)
            ended = time.monotonic()
            if not unready.done():
                broken.append(f"readiness stays 200: {outage.__name__}")
            unready.cancel()
            await until(client, 200)
            took = time.monotonic() - ended
            figures.append(f"{outage.__name__}: ready {took:.1f} s later")
            await sending
            broken += await after(client, token, outage.__name__)
    slowest = max(each.seconds for each in seen.answers)
    figures.append(f"slowest answer {slowest:.1f} s, deadline {DEADLINE_SECONDS} s")
    if slowest > 1.5 * DEADLINE_SECONDS:
        broken.append(figures[-1])
    broken += seen.other_than("200", "503", "504")
    broken += [f"liveness: {each}" for each in alive.other_than("200")]
    return Outcome("; ".join([*figures, str(seen)]), broken, seen)


async def after(client: httpx2.AsyncClient, token: str, outage: str) -> list[str]:
    headers = {"Authorization": token}
    url = "/api/v1/users/me"
    answers = [await client.get(url, headers=headers) for _ in range(FIRST)]
    failed = sum(answer.status_code != 200 for answer in answers)
    return [f"{failed} of the first {FIRST} requests after {outage}"] if failed else []


async def until(client: httpx2.AsyncClient, status: int) -> None:
    """Wait until readiness answers with this status."""
    async with asyncio.timeout(RECOVERED_WITHIN_SECONDS):
        while (await client.get(READY)).status_code != status:
            await asyncio.sleep(0.05)


def run(home: Path, seconds: float) -> Outcome:
    settings = {
        "HEALTH_PROBE_SECONDS": "0.5",
        "REQUEST_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
        "DB_POOL_TIMEOUT_SECONDS": "1",
        "DB_CONNECT_TIMEOUT_SECONDS": "1",
        "DB_LOCK_TIMEOUT_SECONDS": "2",
        "DB_STATEMENT_TIMEOUT_SECONDS": "3",
    }
    with serving(home, postgres={}, **settings) as (postgres, service):
        return asyncio.run(drill(postgres, service, seconds))


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="for each outage")
    main(parser, run)
