"""Check that the time of an answer does not reveal whether an account exists.

    python -m drills.timing [--pairs 200]

The drill sends a known and an unknown e-mail address in turns. The median of the
differences must not exceed a tenth of the time of one password hash, because a smaller
difference disappears in the noise of any network.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from httpx2 import ASGITransport, AsyncClient

from app.core.config import Settings
from app.core.passwords.hashing import PasswordHasher
from app.db import migrate
from app.db.models.user import User
from app.db.session import transaction
from app.main import create_application
from drills.program import main, make_parser
from drills.timeline import Outcome
from testbed.accounts import PASSWORD, password_hash
from testbed.postgres import start_postgres

KNOWN = "known@example.org"
ALLOWED_SHARE_OF_HASH = 0.1
WARM_UP = 5

numbers = count()


@dataclass(frozen=True, slots=True)
class Operation:
    path: str
    body: Callable[[str], dict[str, str]]


def wrong_login(email: str) -> dict[str, str]:
    return {"email": email, "password": "wrong password"}


def registration(email: str) -> dict[str, str]:
    return {"email": email, "password": PASSWORD}


def address(email: str) -> dict[str, str]:
    return {"email": email}


OPERATIONS = {
    "login": Operation("/auth/login", wrong_login),
    "register": Operation("/auth/register", registration),
    "forgot": Operation("/auth/password/forgot", address),
    "resend": Operation("/auth/verify-email/resend", address),
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Medians in seconds, and the time of one hash in the same run."""

    operation: str
    known: float
    unknown: float
    difference: float
    hash_time: float
    same_answer: bool

    @property
    def share_of_hash(self) -> float:
        return abs(self.difference) / self.hash_time

    @property
    def tells_nothing(self) -> bool:
        return self.same_answer and self.share_of_hash < ALLOWED_SHARE_OF_HASH

    def __str__(self) -> str:
        return (
            f"{self.operation}, {self.share_of_hash:.1%} of a hash (known "
            f"{self.known * 1e3:.2f} ms, unknown {self.unknown * 1e3:.2f} ms, hash "
            f"{self.hash_time * 1e3:.1f} ms)"
        )


async def compare(
    client: AsyncClient, hasher: PasswordHasher, operation: str, pairs: int
) -> Comparison:
    known: list[float] = []
    unknown: list[float] = []
    hashes: list[float] = []
    answers = set()
    for pair in range(WARM_UP + pairs):
        seconds = {}
        # Alternate the order, because the second request can find a warmer cache.
        for email in sorted((KNOWN, f"unknown{next(numbers)}@example.org"))[
            :: 1 if pair % 2 else -1
        ]:
            seconds[email], answer = await ask(client, OPERATIONS[operation], email)
            answers.add(answer)
        if pair >= WARM_UP:
            known.append(seconds.pop(KNOWN))
            unknown += seconds.values()
            hashes.append(await time_hash(hasher))
    differences = [k - u for k, u in zip(known, unknown, strict=True)]
    return Comparison(
        operation,
        median(known),
        median(unknown),
        median(differences),
        median(hashes),
        len(answers) == 1,
    )


async def time_hash(hasher: PasswordHasher) -> float:
    started = time.perf_counter()
    await hasher.hash(PASSWORD)
    return time.perf_counter() - started


async def ask(
    client: AsyncClient, operation: Operation, email: str
) -> tuple[float, Any]:
    started = time.perf_counter()
    response = await client.post(operation.path, json=operation.body(email))
    seconds = time.perf_counter() - started
    request_id = response.headers["x-request-id"]
    headers = {k: v for k, v in response.headers.items() if v != request_id}
    body = response.text.replace(request_id, "")
    return seconds, (response.status_code, tuple(headers.items()), body)


async def drill(settings: Settings, pairs: int) -> list[Comparison]:
    """Run on a migrated database, with REGISTRATION=verified and no rate limits."""
    app = create_application(settings)
    http = AsyncClient(transport=ASGITransport(app), base_url="http://test/api/v1")
    async with app.router.lifespan_context(app), http as client:
        resources = app.state.shared
        async with transaction(resources.database) as session:
            session.add(
                User(
                    email=KNOWN,
                    email_canonical=KNOWN,
                    # Without it the service treats the account as an unknown one.
                    email_verified=True,
                    password_hash=password_hash(),
                )
            )
        return [
            await compare(client, resources.hasher, operation, pairs)
            for operation in OPERATIONS
        ]


def make_settings(database_url: str) -> Settings:
    return Settings(
        _env_file=None,
        environment="development",
        secret_key="a-key-of-the-drills-0123456789-abcdef",
        database_url=database_url,
        registration="verified",
        rate_limit_enabled=False,
        outbox_in_process=False,
        log_level="error",
    )


async def prepared(settings: Settings, pairs: int) -> list[Comparison]:
    await migrate.upgrade(settings)
    return await drill(settings, pairs)


def run(home: Path, pairs: int) -> Outcome:
    found: list[tuple[str, Comparison]] = []
    with start_postgres(home) as postgres:
        for url in (f"sqlite:///{home / 'drill.db'}", postgres.url):
            name = url.partition(":")[0]
            compared = asyncio.run(prepared(make_settings(url), pairs))
            found += [(name, each) for each in compared]
    name, worst = max(found, key=lambda each: each[1].share_of_hash)
    broken = [f"{name}: {each}" for name, each in found if not each.tells_nothing]
    return Outcome(f"largest difference on {name}: {worst}", broken)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    main(parser, run)
