"""Kill workers, connections and PostgreSQL: no acknowledged write is lost.

    python -m drills.crashes [--faults 12]

Clients create accounts without a pause, and repeat each request until they know its
outcome. At the end every acknowledged account must exist exactly once.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Mapping
from itertools import count, cycle, islice
from pathlib import Path

import httpx2

from drills.program import ADMIN, main, make_parser, serving, workers
from drills.timeline import Outcome, Timeline
from testbed.accounts import PASSWORD, log_in
from testbed.postgres import KILL_OTHERS, PostgresServer, execute
from testbed.service import Service

CLIENTS = 6
BETWEEN_FAULTS = 15  # new accounts, so that clients write during each fault
STEP_ENDS_WITHIN_SECONDS = 240
EXPECTED = {"201", "409", "503", "504"}  # a killed worker also cuts connections
numbers = count()


async def create(
    client: httpx2.AsyncClient, seen: Timeline, made: dict[str, str]
) -> None:
    """Create accounts until the task is cancelled, and add them to `made`.

    `made` maps addresses to identifiers.
    """
    while True:
        email = f"user{next(numbers)}@example.org"
        body, status = {"email": email, "password": PASSWORD}, 0
        while status not in {201, 409}:  # 409: an earlier attempt had succeeded
            sent = seen.now
            try:
                answer = await client.post("/auth/register", json=body)
            except httpx2.TransportError as error:
                seen.note(sent, type(error).__name__)
                await asyncio.sleep(0.05)
                continue
            status = answer.status_code
            seen.note(sent, status)
            if status == 201:
                made[email] = answer.json()["id"]


async def crash(postgres: PostgresServer, _: Service) -> None:
    await asyncio.to_thread(postgres.stop, "immediate")
    await asyncio.to_thread(postgres.start)


async def kill(_: PostgresServer, service: Service) -> None:
    os.kill(workers(service)[0], signal.SIGKILL)


async def cut(postgres: PostgresServer, _: Service) -> None:
    await execute(postgres.url, KILL_OTHERS)


async def acknowledged(made: Mapping[str, str], more: int) -> None:
    """Wait until `more` further accounts are acknowledged."""
    enough = len(made) + more
    async with asyncio.timeout(STEP_ENDS_WITHIN_SECONDS):
        while len(made) < enough:
            await asyncio.sleep(0.01)


async def listed(service: Service) -> list[tuple[str, str]]:
    """Return the address and the identifier of every account."""
    found: list[tuple[str, str]] = []
    headers = await asyncio.to_thread(log_in, service, ADMIN)
    url = f"{service.url}/api/v1"
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        query = {"limit": "100"}
        while query.get("cursor", "") is not None:
            page = (await client.get("/users", params=query)).json()
            found += [(each["email"], each["id"]) for each in page["items"]]
            query["cursor"] = page["next_cursor"]
    return found


async def drill(postgres: PostgresServer, service: Service, faults: int) -> Outcome:
    seen, made = Timeline(), dict[str, str]()
    url = f"{service.url}/api/v1"
    async with (
        httpx2.AsyncClient(base_url=url, timeout=60) as client,
        asyncio.TaskGroup() as group,
    ):
        tasks = [group.create_task(create(client, seen, made)) for _ in range(CLIENTS)]
        for fault in islice(cycle((crash, kill, cut)), faults):
            await acknowledged(made, BETWEEN_FAULTS)
            with seen.fault(fault.__name__):
                await fault(postgres, service)
        await acknowledged(made, BETWEEN_FAULTS)
        for task in tasks:
            task.cancel()
    return judge(seen, made, await listed(service), faults)


def judge(
    seen: Timeline, made: dict[str, str], rows: list[tuple[str, str]], faults: int
) -> Outcome:
    times = Counter(email for email, _ in rows)
    stored = dict(rows)
    lost = [email for email in made if email not in stored]
    double = [email for email, number in times.items() if number > 1]
    other = [email for email, it in made.items() if stored.get(email, it) != it]
    wrong = {k for k in seen.counts() if k.isdigit()} - EXPECTED
    broken = [f"{len(lost)} acknowledged accounts are lost"] if lost else []
    broken += [f"{len(double)} accounts exist twice"] if double else []
    broken += [f"{len(other)} accounts have another identifier"] if other else []
    broken += [f"the status {each}" for each in wrong]
    figures = (
        f"{len(made)} acknowledged, {faults} faults, {len(lost)} lost, "
        f"{len(double)} double, {len(other)} with another identifier"
    )
    return Outcome(figures, broken, seen)


def run(home: Path, faults: int) -> Outcome:
    with serving(home, "--workers", "2") as (postgres, service):
        return asyncio.run(drill(postgres, service, faults))


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--faults", type=int, default=12)
    main(parser, run)
