"""Send three times the requests that the service can serve: its goodput stays high.

    python -m drills.overload [--seconds 15] [--statement-ms 20] [--max-in-flight 0]

One worker runs on one core, PostgreSQL and the clients on the others. The drill
measures the capacity with 16 clients. Then it reads lists of users at three times this
rate, whether or not the service answers. Meanwhile it also probes the service and makes
changes, almost all of which must succeed.

By default each statement takes 20 ms, as on a busy database, so that the connections of
the database are the bottleneck. With `--statement-ms 0` the bottleneck is the CPU of
the worker: refusals take a part of the CPU, and accepted reads share the rest. So the
drill then expects less goodput, and compares the time of a read with its time at the
capacity.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from drills.load import Load
from drills.program import ADMIN, main, make_parser, prepare, workers
from drills.timeline import Outcome, Timeline, p99
from testbed.accounts import log_in
from testbed.fault_proxy import SlowServer, open_line
from testbed.postgres import PostgresServer, start_postgres
from testbed.processes import on_cores
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
RECOVERY_SECONDS, REFUSAL_MS, PROBE_MS, CHANGES_SERVED = 1.0, 100, 250, 0.9
CLIENTS_AT_CAPACITY = 16
# A read may take at most 3 times as long as with one client. If the CPU is the
# bottleneck, the drill compares it with a read at the capacity.
SLOWER = 3
BY_DATABASE, BY_CPU = 0.9, 0.6  # least goodput, as a part of the capacity


async def drill(
    service: Service, seconds: float, core: int, *, busy_cpu: bool
) -> Outcome:
    [pid] = workers(service)
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {core})
    token = (await asyncio.to_thread(log_in, service, ADMIN))["Authorization"]
    # Each read has another `limit`, because requests for the same page share a query.
    reads = [LIST.format(limit, token).encode() for limit in range(60, 101)]
    alone, full, seen = Timeline(), Timeline(), Timeline()
    await Load(service.port, reads, alone).back_to_back(1, seconds / 3)
    began, at_capacity = worker_clock(pid), Load(service.port, reads, full)
    await at_capacity.back_to_back(CLIENTS_AT_CAPACITY, seconds / 3)
    busy = worker_clock(pid) - began
    rate = FACTOR * full.counts()["200"] / (seconds / 3)

    probes, changes = Timeline(), Timeline()
    load = Load(service.port, reads, seen)
    began = worker_clock(pid)
    with seen.fault(f"{rate:.0f} requests per second, {FACTOR} times the capacity"):
        await asyncio.gather(
            load.at_rate(rate, seconds),
            Load(service.port, [LIVE], probes).at_rate(PROBES_PER_SECOND, seconds),
            Load(service.port, [CHANGE.format(token).encode()], changes).at_rate(
                PROBES_PER_SECOND / 4, seconds
            ),
        )
    overloaded = worker_clock(pid) - began
    recovered = Timeline()
    await Load(service.port, reads, recovered).back_to_back(1, 0.001)
    recovery = recovered.now
    await asyncio.sleep(1.1)  # until the last clients have given up
    # Measure the capacity again, because the speed of a shared core can change.
    began = worker_clock(pid)
    await at_capacity.back_to_back(CLIENTS_AT_CAPACITY, seconds / 3)
    busy += worker_clock(pid) - began
    goodput = (seen.counts()["200"] / overloaded) / (full.counts()["200"] / busy)
    least, compared = (BY_CPU, full) if busy_cpu else (BY_DATABASE, alone)
    figures = {
        f"goodput {goodput:.0%}": goodput >= least,
        f"accepted p99 {ms(seen)} ms, at capacity {ms(full)}, alone {ms(alone)}": (
            ms(seen) <= SLOWER * ms(compared)
        ),
    }
    return judge(figures, seen, probes, changes, recovery)


def judge(
    figures: dict[str, bool],
    seen: Timeline,
    probes: Timeline,
    changes: Timeline,
    recovery: float,
) -> Outcome:
    changed = changes.counts()["200"] / max(1, len(changes.answers))
    figures |= {
        f"refused p99 {ms(seen, '503')} ms": ms(seen, "503") < REFUSAL_MS,
        f"probes p99 {ms(probes)} ms": (
            ms(probes) < PROBE_MS and set(probes.counts()) == {"200"}
        ),
        f"changes served {changed:.0%}": changed >= CHANGES_SERVED,
        f"recovery {recovery:.2f} s": recovery < RECOVERY_SECONDS,
    }
    counts = ", ".join(f"{n:,} {what}" for what, n in seen.counts().items())
    broken = [figure for figure, is_kept in figures.items() if not is_kept]
    return Outcome("; ".join([*figures, counts]), broken, seen)


def ms(answers: Timeline, outcome: str = "200") -> int:
    """Return the milliseconds within which 99 % of the answers arrived."""
    return round(p99(answers.seconds(outcome)) * 1000)


def worker_clock(pid: int) -> float:
    """Return a time in seconds that stands still while other processes use the core."""
    _, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    return time.perf_counter() - int(waited) / 1e9


def run(
    home: Path, seconds: float, statement_ms: float = 20, max_in_flight: int = 0
) -> Outcome:
    core, *others = sorted(os.sched_getaffinity(0))
    with on_cores({*others} or {core}), start_postgres(home) as postgres:
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
            slowed(home, environment, postgres, seconds, core, statement_ms / 1000)
        )


async def slowed(
    home: Path,
    environment: Mapping[str, str],
    postgres: PostgresServer,
    seconds: float,
    core: int,
    statement_seconds: float,
) -> Outcome:
    async with AsyncExitStack() as stack:
        url = postgres.url
        if statement_seconds:
            proxy = SlowServer(postgres.port, seconds=statement_seconds)
            await stack.enter_async_context(open_line(proxy))
            url = url.replace(f":{postgres.port}/", f":{proxy.port}/")
        starting = start_service(home, environment={**environment, "DATABASE_URL": url})
        service = await asyncio.to_thread(starting.__enter__)
        try:
            return await drill(service, seconds, core, busy_cpu=not statement_seconds)
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=15, help="for the overload")
    parser.add_argument("--statement-ms", type=float, default=20)
    parser.add_argument("--max-in-flight", type=int, default=0)
    main(parser, run)
