"""Compares a login with the bare hash, and measures reads during a flood of logins."""

import asyncio
import time
from collections.abc import Iterator
from statistics import median

import asyncpg
from argon2 import PasswordHasher

from bench.accounts.operations import FLOODED, PASSWORD, login
from bench.contest import READ, Contest, ratio
from bench.load import Stream, drive
from bench.operations import CONNECTIONS, Goal
from bench.report import Row
from testbed.processes import on_cores

COST = Goal(1.15, 1.10)
WAITING = Goal(2.0, 1.3)
SHARE = Goal(0.08, 0.08)
HASHES = 10  # in a round
SELECT_HASH = "SELECT password_hash FROM users WHERE email = $1"


def measure(contest: Contest) -> Iterator[Row]:
    stored = asyncio.run(find_hash(contest.environment["DATABASE_URL"]))
    hashes, logins, idle, flooded, shares = [], [], [], [], []
    ours = contest.application
    drive([flood(contest)], contest.seconds)  # starts the threads that hash
    for _ in range(contest.rounds):
        with on_cores(contest.worker_cores):
            hashes.append(bare_hash(stored))
        before, stream = ours.program.cpu_seconds(), flood(contest)
        drive([stream], contest.seconds)
        cpu = ours.program.cpu_seconds() - before
        logins.append(cpu / len(stream.latencies))
        calm, reads, stream = ours.stream(READ), ours.stream(READ), flood(contest)
        drive([calm], contest.seconds)
        drive([reads, stream], contest.seconds)
        idle.append(calm.percentile(99))
        flooded.append(reads.percentile(99))
        shares.append(stream.rate * hashes[-1])
    yield Row(
        "login CPU / bare hash",
        ratio(logins, hashes),
        COST,
        beside=f"{median(logins) * 1e3:.1f} ms, hash {median(hashes) * 1e3:.1f} ms",
    )
    yield Row(
        f"p99 of {READ.title} in a flood of logins / idle",
        ratio(flooded, idle),
        WAITING,
        beside=f"{median(flooded) * 1e3:.0f} ms, idle {median(idle) * 1e3:.0f} ms",
    )
    yield Row(
        "part of a core that the hashes get in this flood",
        median(shares),
        SHARE,
        beside=f"{CONNECTIONS} connections log in",
    )


def flood(contest: Contest) -> Stream:
    target = contest.application.target
    return Stream(target.port, login(target), CONNECTIONS)


async def find_hash(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval(SELECT_HASH, FLOODED))
    finally:
        await connection.close()


def bare_hash(stored: str) -> float:
    """The CPU time that argon2 needs to verify the password.

    Nothing else uses the core meanwhile. A hash in a thread needs the same CPU time.
    """
    hasher = PasswordHasher()
    before = time.process_time()
    for _ in range(HASHES):
        hasher.verify(stored, PASSWORD)
    return (time.process_time() - before) / HASHES
