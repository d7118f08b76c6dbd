"""Check only over HTTP whether a service keeps its contract.

    python -m drills.outside [--only CHECK]
    python -m drills --base-url URL [--email EMAIL --password-stdin]

The first command starts a service and checks it. The second command checks a service
that already runs. The checks `login`, `updates` and `repeats` need an account.
`repeats` needs the account of an administrator, because it creates a user and deletes
this user. `updates` changes the full name of the account, and restores it.
"""

import argparse
import asyncio
import secrets
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2

from drills import hostile
from drills.program import ADMIN, main, make_parser, serving
from drills.timeline import Outcome, Timeline
from testbed.accounts import PASSWORD

CLIENTS, INCREMENTS, REPEATS, PAIRS = 5, 4, 20, 4
SLOWER = 3.0  # allowed ratio of the fastest logins; `drills.timing` is more exact


@dataclass(frozen=True)
class Outside:
    """A service, and an account of it."""

    client: httpx2.AsyncClient  # its URL has no path, because paths begin with /api
    email: str = ""
    password: str = ""

    async def log_in(self, email: str, password: str) -> httpx2.Response:
        body = {"email": email, "password": password}
        return await self.client.post("/api/v1/auth/login", json=body)

    async def authenticate(self) -> None:
        answer = await self.log_in(self.email, self.password)
        if answer.status_code != 200 or "access_token" not in answer.json():
            sys.exit(f"The login of {self.email} answers {answer.status_code}.")
        token = answer.json()["access_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"


async def health(service: Outside) -> Outcome:
    live = await service.client.get("/api/v1/health/live")
    ready = await service.client.get("/api/v1/health/ready")
    status, checks = ready.json().get("status"), ready.json().get("checks", {})
    figures = {
        f"live {live.status_code}": live.json() == {"status": "alive"},
        f"ready {ready.status_code} {status}": ready.status_code
        == (200 if status in {"ready", "degraded"} else 503),
        f"{len(checks)} dependencies reported": {"database", "schema"} <= checks.keys(),
    }
    return verdict(figures)


async def headers(service: Outside) -> Outcome:
    """Each answer has the request id and `nosniff`. Errors are problem documents."""
    asked = [
        ("GET", "/api/v1/health/live", 200),
        ("GET", "/api/v1/absent", 404),
        ("PUT", "/api/v1/auth/login", 405),
        ("POST", "/api/v1/auth/login", 422),
        ("GET", "/api/v1/users/me", 401),
    ]
    figures = {}
    for method, path, status in asked:
        body = b"{}" if method == "POST" else None
        request_id = secrets.token_hex(8)
        sent = {"X-Request-ID": request_id, "Content-Type": "application/json"}
        plain = {**sent, "Authorization": ""} if status == 401 else sent
        answer = await service.client.request(method, path, content=body, headers=plain)
        kind = answer.headers.get("content-type", "")
        is_right = (
            answer.status_code == status
            and answer.headers.get("x-request-id") == request_id
            and answer.headers.get("x-content-type-options") == "nosniff"
            and (status == 200 or kind == "application/problem+json")
            and (status == 200 or answer.json()["request_id"] == request_id)
        )
        figures[f"{method} {answer.status_code}"] = is_right
    return verdict(figures)


async def login(service: Outside) -> Outcome:
    """A wrong password takes as long for an unknown address as for a known one."""
    seconds: dict[str, list[float]] = {"known": [], "unknown": []}
    statuses, seen = set(), Timeline()
    for _ in range(PAIRS):
        for kind in seconds:
            unknown = f"{secrets.token_hex(8)}@example.org"
            sent = seen.now
            answer = await service.log_in(
                service.email if kind == "known" else unknown, "a wrong password"
            )
            seen.note(sent, answer.status_code)
            seconds[kind].append(seen.now - sent)
            statuses.add(answer.status_code)
    fast, slow = sorted(map(min, seconds.values()))
    return verdict(
        {
            f"fastest known and unknown {fast * 1e3:.0f} and {slow * 1e3:.0f} ms": (
                slow < SLOWER * fast
            ),
            f"status {statuses}": statuses == {401},
        }
    )


async def updates(service: Outside) -> Outcome:
    """Clients that add 1 at the same time, with `If-Match`, lose no update."""
    me, conflicts = "/api/v1/users/me", 0

    async def change(name: str | None, tag: str) -> httpx2.Response:
        return await service.client.patch(
            me, json={"full_name": name}, headers={"If-Match": tag}
        )

    async def add() -> None:
        nonlocal conflicts
        for _ in range(INCREMENTS):
            while True:
                read = await service.client.get(me)
                number = int(read.json()["full_name"]) + 1
                changed = await change(str(number), read.headers["etag"])
                if changed.status_code == 200:
                    break
                assert changed.status_code == 412, changed.text
                conflicts += 1

    before = (await service.client.get(me)).json()["full_name"]
    await change("0", "*")
    try:
        await asyncio.gather(*(add() for _ in range(CLIENTS)))
        total = (await service.client.get(me)).json()["full_name"]
    finally:
        await change(before, "*")
    expected = CLIENTS * INCREMENTS
    return verdict(
        {
            f"{total} of {expected} increments": total == str(expected),
            f"{conflicts} conflicts": True,
        }
    )


async def repeats(service: Outside) -> Outcome:
    """A POST, sent many times in parallel with an `Idempotency-Key`, acts once."""
    url, email = "/api/v1/users", f"{secrets.token_hex(8)}@example.org"
    key = {"Idempotency-Key": secrets.token_hex(16)}
    body = {"email": email, "password": PASSWORD}
    post = service.client.post
    answers = await asyncio.gather(
        *(post(url, json=body, headers=key) for _ in range(REPEATS))
    )
    other = await post(url, json={**body, "full_name": "Other"}, headers=key)
    counts = Counter(answer.status_code for answer in answers)
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    for identifier in made:
        await service.client.delete(f"{url}/{identifier}", headers={"If-Match": "*"})
    codes = {a.json()["code"] for a in answers if a.status_code == 409}
    return verdict(
        {
            f"{len(made)} account created": len(made) == 1,
            f"answers {dict(counts)}": counts.keys() <= {201, 409},
            f"409 {codes or 'never'}": codes <= {"idempotency_key_in_use"},
            f"another body {other.status_code}": other.status_code == 422,
        }
    )


Check = Callable[[Outside], Awaitable[Outcome]]
PUBLIC: dict[str, Check] = {
    "health": health,
    "headers": headers,
    "hostile": lambda service: hostile.check(str(service.client.base_url)),
}
WITH_ACCOUNT: dict[str, Check] = {
    "login": login,
    "updates": updates,
    "repeats": repeats,
}


def verdict(figures: dict[str, bool]) -> Outcome:
    broken = [figure for figure, is_kept in figures.items() if not is_kept]
    return Outcome("; ".join(figures), broken)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base-url", default="", help="URL of a running service")
    parser.add_argument("--email", default="", help="address of an account")
    help_ = "read the password of the account from stdin"
    parser.add_argument("--password-stdin", action="store_true", help=help_)


async def ask(url: str, email: str, password: str, only: str = "") -> Outcome:
    checks = PUBLIC | (WITH_ACCOUNT if email else {})
    figures, broken = [], []
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        service = Outside(client, email, password)
        if email:
            await service.authenticate()
        for name in [only] if only else checks:
            found = await checks[name](service)
            figures.append(f"{name}: {found.figures}")
            broken += [f"{name}: {each}" for each in found.broken]
    return Outcome("\n".join(figures), broken)


def check(flags: argparse.Namespace) -> int:
    """Check a service that runs, and return the exit code."""
    password = sys.stdin.readline().rstrip("\n") if flags.password_stdin else ""
    outcome = asyncio.run(ask(flags.base_url, flags.email, password))
    print(outcome)
    if not flags.email:
        print(f"Without --email these did not run: {', '.join(WITH_ACCOUNT)}.")
    return int(not outcome.kept)


def run(home: Path, only: str) -> Outcome:
    with serving(home) as (_, service):
        return asyncio.run(ask(service.url, ADMIN, PASSWORD, only))


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--only", default="", choices=("", *PUBLIC, *WITH_ACCOUNT))
    main(parser, run)
