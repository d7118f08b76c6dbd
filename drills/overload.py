"""Send three times as many requests as the service can handle: it stays useful.

    python -m drills.overload [--seconds 15] [--statement-ms 20] [--max-in-flight 0]

One worker on one core, the clients on another one. The drill measures the capacity, and
then sends lists of users at three times this rate, whether or not the service answers.
Meanwhile it probes the service and makes changes, which the reads must not displace.

Each statement of PostgreSQL takes 20 ms, as on a busy database: its connections are the
bottleneck. With 0 the bottleneck is the CPU of the worker, and the refusals alone take
a part of it. So the drill then expects less.
"""

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from drills.load import Load
from drills.program import ADMIN, main, make_parser, prepare
from drills.timeline import Outcome, Timeline, p99
from testbed.accounts import log_in
from testbed.fault_proxy import SlowServer, open_line
from testbed.postgres import PostgresServer, start_postgres
from testbed.service import Service, command, make_environment, start_service

FACTOR = 3
PROBES_PER_SECOND = 20
LIST = "GET /api/v1/users?limit={} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\r\n"
LIVE = b"GET /api/v1/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
CHANGE = (
    "PATCH /api/v1/users/me HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n"
    "Content-Type: application/json\r\nContent-Length: 19\r\n\r\n"
    '{{"full_name":"Ada"}}'
)
RECOVERY_SECONDS, REFUSAL_SECONDS, PROBE_SECONDS = 1.0, 0.1, 0.25
# The part of the capacity that is served, and how much slower than without load.
BY_DATABASE, BY_CPU = (0.9, 3), (0.6, 100)


async def drill(
    service: Service, seconds: float, expected: tuple[float, float]
) -> Outcome:
    pin(service)
    token = (await asyncio.to_thread(log_in, service, ADMIN))["Authorization"]
    # Requests for the same page at the same moment would share a query.
    reads = [LIST.format(limit, token).encode() for limit in range(60, 101)]
    alone, full, seen = Timeline(), Timeline(), Timeline()
    await Load(service.port, reads, alone).back_to_back(1, seconds / 3)
    await Load(service.port, reads, full).back_to_back(16, seconds / 3)
    capacity = full.counts()["200"] / (seconds / 3)

    probes, changes = Timeline(), Timeline()
    load = Load(service.port, reads, seen)
    with seen.fault(f"{FACTOR} times {capacity:.0f} requests per second"):
        await asyncio.gather(
            load.at_rate(FACTOR * capacity, seconds),
            Load(service.port, [LIVE], probes).at_rate(PROBES_PER_SECOND, seconds),
            Load(service.port, [CHANGE.format(token).encode()], changes).at_rate(
                PROBES_PER_SECOND / 4, seconds
            ),
        )
    recovered = Timeline()
    await Load(service.port, reads, recovered).back_to_back(1, 0.001)
    recovery = recovered.now
    await asyncio.sleep(1.1)  # until the last clients have given up
    most = capacity * seconds
    return judge(expected, alone, most, seen, probes, changes, recovery)


def judge(
    expected: tuple[float, float],
    alone: Timeline,
    most: float,
    seen: Timeline,
    probes: Timeline,
    changes: Timeline,
    recovery: float,
) -> Outcome:
    goodput, slower = expected
    accepted, refused = seen.seconds("200"), seen.seconds("503")
    unloaded = p99(alone.seconds("200"))
    changed = changes.counts()["200"] / max(1, len(changes.answers))
    figures = {
        f"goodput {len(accepted) / most:.0%}": len(accepted) >= goodput * most,
        f"accepted p99 {p99(accepted) * 1000:.0f} ms, alone {unloaded * 1000:.0f}": (
            p99(accepted) < slower * unloaded
        ),
        f"refused p99 {p99(refused) * 1000:.0f} ms": p99(refused) < REFUSAL_SECONDS,
        f"probes p99 {p99(probes.seconds('200')) * 1000:.0f} ms": (
            p99(probes.seconds("200")) < PROBE_SECONDS
            and set(probes.counts()) == {"200"}
        ),
        f"changes served {changed:.0%}": changed >= BY_DATABASE[0],
        f"recovery {recovery:.2f} s": recovery < RECOVERY_SECONDS,
    }
    counts = ", ".join(f"{n:,} {what}" for what, n in seen.counts().items())
    broken = [figure for figure, is_kept in figures.items() if not is_kept]
    return Outcome("; ".join([*figures, counts]), broken, seen)


def pin(service: Service) -> None:
    """Give the worker a core of its own, if there are two."""
    first, *others = sorted(os.sched_getaffinity(0))
    if others:
        prefix = "Booting worker with pid: "
        for line in service.log():
            if str(line["event"]).startswith(prefix):
                pid = int(str(line["event"]).removeprefix(prefix))
                os.sched_setaffinity(pid, {first})
        os.sched_setaffinity(0, set(others))


def run(
    home: Path, seconds: float, statement_ms: float = 20, max_in_flight: int = 0
) -> Outcome:
    cores = os.sched_getaffinity(0)
    try:
        with start_postgres(home) as postgres:
            environment = make_environment(
                home,
                DATABASE_URL=postgres.url,
                RATE_LIMIT_ENABLED="false",
                MAX_IN_FLIGHT=str(max_in_flight),
            )
            prepare(environment)
            filled = command("demo", "--users", "300", environment=environment)
            assert filled.returncode == 0, filled.stderr
            return asyncio.run(
                slowed(home, environment, postgres, seconds, statement_ms / 1000)
            )
    finally:
        os.sched_setaffinity(0, cores)


async def slowed(
    home: Path,
    environment: Mapping[str, str],
    postgres: PostgresServer,
    seconds: float,
    statement_seconds: float,
) -> Outcome:
    expected = BY_DATABASE if statement_seconds else BY_CPU
    async with AsyncExitStack() as stack:
        url = postgres.url
        if statement_seconds:
            proxy = SlowServer(postgres.port, seconds=statement_seconds)
            await stack.enter_async_context(open_line(proxy))
            url = url.replace(f":{postgres.port}/", f":{proxy.port}/")
        starting = start_service(home, environment={**environment, "DATABASE_URL": url})
        service = await asyncio.to_thread(starting.__enter__)
        try:
            return await drill(service, seconds, expected)
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=15, help="of the overload")
    parser.add_argument("--statement-ms", type=float, default=20)
    parser.add_argument("--max-in-flight", type=int, default=0)
    main(parser, run)
