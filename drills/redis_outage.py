"""Stop Redis under load: no request fails, limits hold, other requests are fast.

    python -m drills.redis_outage [--seconds 8]

The drill kills, freezes, restarts and empties the Valkey of a running service. It
compares the answers with those before the first fault.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from redis import Redis

from drills.program import main, make_parser
from drills.timeline import Outcome, Timeline
from testbed.accounts import create_account, log_in
from testbed.service import Service, command, make_environment, start_service
from testbed.valkey import ValkeyServer, start_valkey

LIMIT = 50  # hits of a counter in the window
WINDOW_SECONDS = 3600  # longer than the drill, so that no hit expires
GRACE_SECONDS = 1.0
ATTEMPTS = 2 * LIMIT  # in each phase, however slow the machine is
READS = 200
PHASE_ENDS_WITHIN_SECONDS = 120
READERS, LIMITED = 3, 2
READER = "reader@example.org"
READ = "GET /api/v1/users/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\n\r\n"
REFRESH = (
    b"POST /api/v1/auth/refresh HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
)


def restart(server: ValkeyServer) -> None:
    server.stop()
    server.start()


def order(words: str) -> Callable[[ValkeyServer], None]:
    def give(server: ValkeyServer) -> None:
        with Redis.from_url(server.url) as client:
            client.execute_command(words)

    return give


# Each event, and how many times clients can use up the whole limit after it. This is 1
# if Redis has lost its counters. Otherwise it is 0, because the process has counters of
# its own, which are full.
OUTAGES: dict[str, tuple[Callable[[ValkeyServer], None], int]] = {
    "SCRIPT FLUSH": (order("SCRIPT FLUSH"), 0),
    "frozen": (ValkeyServer.pause, 0),
    "thawed": (ValkeyServer.resume, 0),
    "killed": (ValkeyServer.stop, 0),
    "started again, empty": (ValkeyServer.start, 1),
    "restarted": (restart, 1),
    "FLUSHALL": (order("FLUSHALL"), 1),
}


@dataclass
class Phase:
    """The answers that clients got between one event and the next."""

    name: str
    began: float = field(default_factory=time.perf_counter)
    read_ms: list[float] = field(default_factory=list)  # without the first second
    statuses: Counter[int] = field(default_factory=Counter)
    attempts: int = 0
    let_in: int = 0

    @property
    def p99(self) -> float:
        """The 99th percentile of reads, in milliseconds."""
        return quantiles(self.read_ms, n=100)[98]

    async def last(self, seconds: float) -> None:
        """Wait for this time, and until there are enough answers to judge."""
        await asyncio.sleep(seconds + GRACE_SECONDS)
        async with asyncio.timeout(PHASE_ENDS_WITHIN_SECONDS):
            while self.attempts < ATTEMPTS or len(self.read_ms) < READS:
                await asyncio.sleep(0.05)


@dataclass
class Phases:
    healthy: Phase
    phases: list[Phase]
    healed: bool  # whether Redis counts again, up to the limit
    seen: Timeline  # the reads

    @property
    def failures(self) -> int:
        return sum(
            count
            for phase in (self.healthy, *self.phases)
            for status, count in phase.statuses.items()
            if status >= 500
        )

    @property
    def too_many(self) -> list[str]:
        """The phases in which the limit let too many requests in."""
        return [
            f"{phase.name}: {phase.let_in}"
            for phase in self.phases
            if phase.let_in > OUTAGES[phase.name][1] * LIMIT
        ]

    def slow(self, at_least_ms: float) -> list[str]:
        """The phases in which reads were too slow, because they waited for Redis."""
        allowed = max(2 * self.healthy.p99, at_least_ms)
        return [phase.name for phase in self.phases if phase.p99 > allowed]

    def judge(self, at_least_ms: float) -> Outcome:
        all_phases = (self.healthy, *self.phases)
        worst = max(self.phases, key=lambda phase: phase.p99)
        total = sum(phase.statuses.total() for phase in all_phases)
        broken = [f"let in too many: {phase}" for phase in self.too_many]
        broken += [f"slow: {name}" for name in self.slow(at_least_ms)]
        broken += [] if self.healed else ["Redis is back but does not count."]
        figures = (
            f"{self.failures} of {total:,} answers were 5xx; p99 of reads "
            f"{self.healthy.p99:.1f} ms before the outage, at most "
            f"{worst.p99:.1f} ms later (Redis {worst.name})"
        )
        if self.failures:
            broken.append(f"{self.failures} answers were 5xx")
        return Outcome(figures, broken, self.seen)


class Client:
    """Repeats one request on one connection, and counts the answers."""

    def __init__(
        self, port: int, request: bytes, seen: Timeline, *, limited: bool
    ) -> None:
        self.port, self.seen = port, seen
        self.request = request
        self.limited = limited

    async def run(self, current: Callable[[], Phase]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while True:
                started = time.perf_counter()
                writer.write(self.request)
                status = await self._read(reader)
                took = time.perf_counter() - started
                phase = current()
                phase.statuses[status] += 1
                if self.limited:
                    phase.attempts += 1
                    phase.let_in += status != 429
                    await asyncio.sleep(0.01)
                    continue
                self.seen.note(self.seen.now - took, status)
                if started > phase.began + GRACE_SECONDS:
                    phase.read_ms.append(took * 1000)
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> int:
        head = await reader.readuntil(b"\r\n\r\n")
        lowered = head.lower()
        at = lowered.index(b"content-length:") + len(b"content-length:")
        await reader.readexactly(int(lowered[at:].partition(b"\r\n")[0]))
        return int(head[9:12])


async def load(port: int, token: str, valkey: ValkeyServer, seconds: float) -> Phases:
    healthy = current = Phase("healthy")
    seen = Timeline()
    read = READ.format(token).encode()
    clients = [Client(port, read, seen, limited=False) for _ in range(READERS)]
    clients += [Client(port, REFRESH, seen, limited=True) for _ in range(LIMITED)]
    tasks = [asyncio.create_task(client.run(lambda: current)) for client in clients]
    phases: list[Phase] = []
    try:
        await healthy.last(seconds)
        for name, (event, _) in OUTAGES.items():
            current = Phase(name)
            phases.append(current)
            with seen.fault(name):
                await asyncio.to_thread(event, valkey)
                await current.last(seconds)
            for task in tasks:
                if task.done():
                    await task  # raises the error, such as a connection that was cut
        healed = await asyncio.to_thread(fills_up, valkey)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return Phases(healthy, phases, healed, seen)


def fills_up(valkey: ValkeyServer) -> bool:
    """Wait for the counter in Redis to be full. Return False if it takes too long."""
    deadline = time.monotonic() + PHASE_ENDS_WITHIN_SECONDS
    with Redis.from_url(valkey.url) as client:
        while time.monotonic() < deadline:
            counters = list(client.scan_iter("rl:v2:refresh*"))
            if counters and client.llen(counters[0]) == LIMIT:
                return True
            time.sleep(0.05)
    return False


@contextmanager
def start(home: Path, valkey: ValkeyServer) -> Iterator[Service]:
    environment = make_environment(
        home,
        SECRET_KEY="a-long-enough-key-that-is-only-for-tests-0123456789",
        REDIS_URL=valkey.url,
        RATE_LIMIT_ALL="1000/1",  # so that reads ask Redis, but are rarely refused
        RATE_LIMIT_REQUESTS=str(LIMIT),
        RATE_LIMIT_WINDOW_SECONDS=str(WINDOW_SECONDS),
    )
    upgraded = command("db", "upgrade", environment=environment)
    assert upgraded.returncode == 0, upgraded.stderr
    create_account(READER, environment=environment)
    with start_service(home, environment=environment) as service:
        yield service


def run(home: Path, seconds: float, at_least_ms: float) -> Outcome:
    with start_valkey(home) as valkey, start(home, valkey) as service:
        token = log_in(service, READER)["Authorization"]
        phases = asyncio.run(load(service.port, token, valkey, seconds))
    return phases.judge(at_least_ms)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="of each phase")
    # On a busy machine, choose up to 100. A read that waits for Redis takes longer.
    help_ = "reads that take less are never too slow"
    parser.add_argument("--at-least-ms", type=float, default=0, help=help_)
    main(parser, run)
