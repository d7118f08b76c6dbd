"""Replace all instances under load: no request fails.

    python -m drills.deployment [--requests 2500] [--worker-class asgi] [--through tcp]

Clients read and write without a pause, through a balancer in front of two instances.
The drill replaces one instance after the other by SIGTERM, and then reloads both at the
same time by SIGHUP. With `--through nginx` or `--through haproxy`, the balancer is this
proxy, with its sample configuration from `deploy/`.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from drills.program import main, make_parser
from drills.timeline import Outcome, Timeline
from testbed.accounts import PASSWORD, register
from testbed.balancer import LAG_SECONDS, PROBE_SECONDS, Balancer
from testbed.fault_proxy import open_line
from testbed.haproxy import Haproxy
from testbed.nginx import Nginx
from testbed.postgres import start_postgres
from testbed.processes import free_port
from testbed.reverse_proxy import start_proxy
from testbed.service import (
    WORKER_CLASSES,
    Service,
    command,
    make_environment,
    start_service,
)

EMAIL = "deployer@example.org"
CLIENTS = 4
STEP_ENDS_WITHIN_SECONDS = 120
PROXIES = {each.name: each for each in (Nginx, Haproxy)}
DEAD_SECONDS = PROBE_SECONDS + LAG_SECONDS + 0.5


class Instances:
    """Two instances of the service, which can be replaced one by one."""

    def __init__(
        self, home: Path, environment: Mapping[str, str], worker_class: str
    ) -> None:
        self.home, self.environment = home, environment
        self.worker_class = worker_class
        self.ports = (free_port(), free_port())
        self.running: dict[int, Service] = {}
        self._stack = ExitStack()

    async def start(self, port: int) -> None:
        service = start_service(
            self.home,
            *("--worker-class", self.worker_class),
            environment=self.environment,
            port=port,
        )
        self.running[port] = await asyncio.to_thread(service.__enter__)
        self._stack.push(service)

    async def replace(self, port: int) -> int:
        """Stop an instance, and later start another one. Return the exit code."""
        process = self.running[port].process
        process.terminate()
        code = await asyncio.to_thread(process.wait, STEP_ENDS_WITHIN_SECONDS)
        # The next instance has the same port. Without this pause, it would accept the
        # connections of an instance that has closed its port too early, and hide this.
        await asyncio.sleep(DEAD_SECONDS)
        await self.start(port)
        return code

    async def reload(self, port: int) -> None:
        """Replace the workers of an instance. Wait until the old ones have ended."""
        service = self.running[port]
        ended = exits(service)
        service.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(STEP_ENDS_WITHIN_SECONDS):
            while exits(service) == ended:
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        await asyncio.to_thread(self._stack.close)


def exits(service: Service) -> int:
    """Count the workers that have ended: each logs one of these lines at its end."""
    last = ("Worker exiting", "Finished server process")
    return sum(str(line["event"]).startswith(last) for line in service.log())


@asynccontextmanager
async def calling(url: str, seen: Timeline) -> AsyncGenerator[None]:
    """Send reads and writes to the balancer until the block ends."""
    async with asyncio.TaskGroup() as group:
        callers = [
            group.create_task(call(f"{url}/api/v1", seen, keeps=number % 2 == 0))
            for number in range(CLIENTS)
        ]
        yield
        for caller in callers:
            caller.cancel()


async def call(url: str, seen: Timeline, *, keeps: bool) -> None:
    """Send requests: all on one connection if `keeps`, otherwise each on a new one."""
    headers = {} if keeps else {"Connection": "close"}
    account = {"email": EMAIL, "password": PASSWORD}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        tokens = None
        while tokens is None:
            answer = client.post("/auth/login", json=account)
            tokens = await note(answer, "POST", seen.now, seen)
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        while True:
            sent = seen.now
            await note(client.get("/users/me"), "GET", sent, seen)
            sent, body = seen.now, {"refresh_token": tokens["refresh_token"]}
            answer = client.post("/auth/refresh", json=body)
            tokens = await note(answer, "POST", sent, seen) or tokens


async def note(
    answer: Awaitable[httpx2.Response], method: str, sent: float, seen: Timeline
) -> Any:
    """Note the status or the error. Return the content of a success, otherwise None."""
    try:
        received = await answer
    except httpx2.TransportError as error:
        seen.note(sent, f"{method} {type(error).__name__}")
        return None
    seen.note(sent, received.status_code)
    return received.json() if received.is_success else None


async def answered(seen: Timeline, more: int) -> None:
    """Wait until the clients have had `more` further answers."""
    enough = len(seen.answers) + more
    async with asyncio.timeout(STEP_ENDS_WITHIN_SECONDS):
        while len(seen.answers) < enough:
            await asyncio.sleep(0.01)


async def drill(
    home: Path,
    database_url: str,
    *,
    requests: int,
    worker_class: str = "asgi",
    through: str = "tcp",
    delay: float = 5,
) -> Outcome:
    """Run the drill on a migrated database. `delay` is DRAIN_DELAY_SECONDS."""
    environment = make_environment(
        home,
        DATABASE_URL=database_url,
        RATE_LIMIT_ENABLED="false",
        DRAIN_DELAY_SECONDS=str(delay),
        GRACEFUL_TIMEOUT_SECONDS="7200",
    )
    instances = Instances(home, environment, worker_class)
    try:
        await asyncio.gather(*map(instances.start, instances.ports))
        await asyncio.to_thread(register, instances.running[instances.ports[0]], EMAIL)
        async with balancing(through, home, instances.ports) as url:
            return await replace_all(instances, url, requests)
    finally:
        await instances.stop()


@asynccontextmanager
async def balancing(
    through: str, home: Path, ports: Sequence[int]
) -> AsyncGenerator[str]:
    if through in PROXIES:
        instances = [f"127.0.0.1:{port}" for port in ports]
        with start_proxy(PROXIES[through], home, instances) as proxy:
            yield proxy.url
        return
    async with open_line(Balancer(*ports)) as balancer:
        probing = asyncio.create_task(balancer.probe())
        yield f"http://127.0.0.1:{balancer.port}"
        probing.cancel()


async def replace_all(instances: Instances, url: str, requests: int) -> Outcome:
    """Replace the instances under load, and judge the answers that clients got."""
    seen, codes = Timeline(), set()
    async with calling(url, seen):
        await answered(seen, 50)
        for port in instances.ports:
            with seen.fault("SIGTERM"):
                codes.add(await instances.replace(port))
            await answered(seen, 50)
        with seen.fault("SIGHUP"):
            await asyncio.gather(*map(instances.reload, instances.ports))
        await answered(seen, 50)
        await answered(seen, requests - len(seen.answers))
    broken = seen.other_than("200")
    if codes != {0}:
        broken.append(f"instances ended with the exit codes {codes}")
    failed = len(seen.answers) - seen.counts()["200"]
    figures = f"{failed} of {len(seen.answers):,} requests failed"
    return Outcome(figures, broken, seen)


def run(home: Path, **options: Any) -> Outcome:
    through = options["through"]
    if through in PROXIES and not PROXIES[through].binary():
        sys.exit(f"This drill needs {through}, which is not installed.")
    with start_postgres(home) as postgres:
        environment = make_environment(home, DATABASE_URL=postgres.url)
        upgraded = command("db", "upgrade", environment=environment)
        assert upgraded.returncode == 0, upgraded.stderr
        return asyncio.run(drill(home, postgres.url, **options))


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--requests", type=int, default=2500)
    parser.add_argument("--worker-class", choices=WORKER_CLASSES, default="asgi")
    parser.add_argument("--through", choices=("tcp", *PROXIES), default="tcp")
    parser.add_argument("--delay", type=float, default=5)
    main(parser, run)
