"""Run the service through PgBouncer in transaction mode: no request fails.

    python -m drills.pgbouncer [--requests 1000]

PgBouncer has fewer connections than the service, so that the statements of one client
run on several connections of the server.
"""

import asyncio
from pathlib import Path

from drills.deployment import EMAIL, answered, calling
from drills.program import main, make_parser, prepare
from drills.timeline import Outcome, Timeline
from testbed.accounts import register
from testbed.pgbouncer import start_pgbouncer
from testbed.postgres import start_postgres
from testbed.service import Service, make_environment, start_service


async def drill(service: Service, requests: int) -> Outcome:
    await asyncio.to_thread(register, service, EMAIL)
    seen = Timeline()
    async with calling(service.url, seen):
        await answered(seen, requests)
    broken = seen.other_than("200")
    failed = len(seen.answers) - seen.counts()["200"]
    return Outcome(f"{failed} of {len(seen.answers):,} requests failed", broken, seen)


def run(home: Path, requests: int) -> Outcome:
    with start_postgres(home) as postgres, start_pgbouncer(home, postgres) as pooler:
        environment = make_environment(
            home,
            DATABASE_URL=pooler.url,
            DB_POOLER="pgbouncer",
            RATE_LIMIT_ENABLED="false",
        )
        prepare({**environment, "DATABASE_URL": postgres.url, "DB_POOLER": "none"})
        workers = ("--workers", "2")
        with start_service(home, *workers, environment=environment) as service:
            return asyncio.run(drill(service, requests))


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    main(parser, run)
