"""The login: its answer, its cost, and its limits on guessed passwords."""

import asyncio
import re

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.db.models.user import User
from testbed.accounts import PASSWORD
from tests.support.people import Client, People
from tests.support.watch import watch_hashes, watch_statements

UNLIMITED = {"rate_limit_enabled": False}
WRONG = "not the password of any account"


async def log_in(
    client: Client, email: str, password: str = PASSWORD, **headers: str
) -> int:
    response = await client.post(
        "/auth/login", json={"email": email, "password": password}, headers=headers
    )
    return response.status_code


async def device_of(client: Client, email: str) -> dict[str, str]:
    """Log in, and return the header by which the service knows the device."""
    body = {"email": email, "password": PASSWORD}
    answer = await client.post("/auth/login", json=body)
    return {"X-Device-Token": answer.headers["X-Device-Token"]}


class TestLoginRefusal:
    async def test_is_the_same_for_every_reason(
        self, people: People, client: Client
    ) -> None:
        disabled = await people.add(is_active=False)
        known = await people.add()

        answers = [
            await client.post(
                "/auth/login",
                json={"email": email, "password": password},
                headers={"X-Request-ID": "the-same-id"},
            )
            for email, password in (
                (known.email, WRONG),
                (known.email, "x" * 129),
                (disabled.email, PASSWORD),
                (disabled.email, WRONG),
                ("nobody@example.org", PASSWORD),
                ("no address", PASSWORD),
            )
        ]

        assert {answer.status_code for answer in answers} == {401}
        assert len({answer.content for answer in answers}) == 1
        assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1

    @pytest.mark.parametrize("overrides", [UNLIMITED | {"health_probe_seconds": 3600}])
    async def test_costs_the_same_work_for_an_unknown_address(
        self, people: People, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Mutants: refuse an unknown address without a hash; record no event for it."""
        known = await people.add()
        disabled = await people.add(is_active=False)
        hashes = watch_hashes(monkeypatch)
        work = []

        for email, password in (
            (known.email, WRONG),
            (known.email, "x" * 129),
            (disabled.email, WRONG),
            ("nobody@example.org", WRONG),
        ):
            before = hashes.started
            with watch_statements() as statements:
                assert await log_in(client, email, password) == 401
            work.append((hashes.started - before, statements))

        assert work[0][0] == 1
        assert all(each == work[0] for each in work)


class TestBcryptHashes:
    async def test_are_accepted_and_replaced_by_argon2id(
        self, app: FastAPI, people: People, client: Client
    ) -> None:
        import bcrypt

        stored = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        user = await people.add(password_hash=stored)

        assert await log_in(client, user.email, WRONG) == 401
        assert await log_in(client, user.email) == 200

        row = await app.state.shared.database.read.one_or_none(
            select(User.password_hash, User.version).where(User.id == user.id), {}
        )
        assert row.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert row.version == user.version + 1
        assert await log_in(client, user.email) == 200
        assert await log_in(client, user.email, WRONG) == 401


class TestPasswordGuessing:
    @pytest.mark.parametrize("overrides", [{"rate_limit_requests": 1000}])
    async def test_in_parallel_gets_no_more_comparisons_than_the_limit(
        self, people: People, user: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Mutant: check the counter before the hash and count the failure after it.
        clients = [await people.anonymous(f"198.51.100.{n}") for n in range(200)]
        watch = watch_hashes(monkeypatch)

        statuses = await asyncio.gather(
            *(
                log_in(each, user.email, f"{WRONG} {n}")
                for n, each in enumerate(clients)
            )
        )

        assert (statuses.count(401), statuses.count(429)) == (10, 190)
        assert watch.started == 10

    async def test_from_one_address_is_limited_across_accounts(
        self, people: People
    ) -> None:
        attacker = await people.anonymous("198.51.100.7")
        emails = [f"nobody{n}@example.org" for n in range(25)]

        statuses = [await log_in(attacker, email, WRONG) for email in emails]

        assert statuses == [401] * 20 + [429] * 5
        elsewhere = await people.anonymous("198.51.100.8")
        assert await log_in(elsewhere, emails[0], WRONG) == 401

    async def test_gets_the_same_429_from_every_counter(
        self, people: People, user: Client, client: Client
    ) -> None:
        # Mutants: name the full counter in the answer; limit only existing accounts.
        for email in (user.email, "nobody@example.org"):
            for n in range(10):
                attacker = await people.anonymous(f"198.51.100.{n}")
                await log_in(attacker, email, WRONG)
        sprayer = await people.anonymous("198.51.100.99")
        for n in range(20):
            await log_in(sprayer, f"n{n}@example.org", WRONG)

        answers = [
            await each.post(
                "/auth/login",
                json={"email": email, "password": WRONG},
                headers={"X-Request-ID": "the-same-id"},
            )
            for each, email in (
                (client, user.email),
                (client, "nobody@example.org"),
                (sprayer, "n99@example.org"),
            )
        ]

        assert {answer.status_code for answer in answers} == {429}
        # Only the seconds to wait differ, because the guesses take some time.
        assert len({re.sub(rb"\d+ s", b"", each.content) for each in answers}) == 1
        assert all(0 < int(answer.headers["Retry-After"]) <= 900 for answer in answers)

    async def test_does_not_lock_out_a_known_device(
        self, people: People, user: Client, client: Client
    ) -> None:
        # Mutant: let all devices share one counter for each account.
        device = await device_of(client, user.email)
        for n in range(11):
            attacker = await people.anonymous(f"198.51.100.{n}")
            await log_in(attacker, user.email, WRONG)

        assert await log_in(client, user.email) == 429
        assert await log_in(client, user.email, **device) == 200

    async def test_does_not_lock_out_a_known_device_behind_the_same_address(
        self, people: People, user: Client, client: Client
    ) -> None:
        """Mutant: apply the limit of the client address to known devices, too."""
        device = await device_of(client, user.email)
        for n in range(20):
            await log_in(client, f"n{n}@example.org", WRONG)

        assert await log_in(client, user.email) == 429
        assert await log_in(client, user.email, **device) == 200

    @pytest.mark.parametrize("overrides", [{"login_failures_per_account": 2}])
    async def test_by_many_known_devices_is_stopped_for_a_day(
        self, user: Client, client: Client
    ) -> None:
        """Mutant: limit each device, but not all devices of the account together."""
        devices = [await device_of(client, user.email) for _ in range(6)]

        statuses = [
            await log_in(client, user.email, WRONG, **device)
            for device in devices
            for _ in range(2)
        ]

        assert statuses == [401] * 10 + [429] * 2

    async def test_gains_nothing_from_devices_of_an_old_password(
        self, people: People, user: Client, client: Client
    ) -> None:
        device = await device_of(client, user.email)
        change = {"current_password": PASSWORD, "new_password": "seven velvet lamps"}
        assert (await user.post("/auth/password/change", json=change)).is_success
        for n in range(10):
            await log_in(await people.anonymous(f"198.51.100.{n}"), user.email, WRONG)

        assert await log_in(client, user.email, WRONG, **device) == 429

    async def test_from_a_known_device_is_limited_too(
        self, people: People, user: Client, client: Client
    ) -> None:
        device = await device_of(client, user.email)

        statuses = [
            await log_in(client, user.email, WRONG, **device) for _ in range(11)
        ]

        assert statuses == [401] * 10 + [429]
        elsewhere = await people.anonymous("198.51.100.8")
        assert await log_in(elsewhere, user.email) == 200

    async def test_gains_nothing_from_the_device_token_of_another_user(
        self, people: People, user: Client, editor: Client, client: Client
    ) -> None:
        # Mutant: accept the device token of any user.
        device = await device_of(client, editor.email)

        statuses = [
            await log_in(client, user.email, WRONG, **device) for _ in range(10)
        ]
        elsewhere = await people.anonymous("198.51.100.8")

        assert statuses == [401] * 10
        assert await log_in(elsewhere, user.email, WRONG, **device) == 429

    async def test_does_not_count_correct_passwords(
        self, user: Client, client: Client
    ) -> None:
        # Mutant: count correct passwords, too.
        statuses = [await log_in(client, user.email) for _ in range(22)]

        assert set(statuses) == {200}

    @pytest.mark.parametrize(
        "overrides",
        [{"rate_limit_requests": 5, "rate_limit_window_seconds": 3600}],
    )
    async def test_is_also_limited_by_address_whatever_the_outcome(
        self, people: People, client: Client
    ) -> None:
        user = await people.add()

        statuses = [
            await log_in(client, user.email, password)
            for password in (PASSWORD, WRONG, PASSWORD, WRONG, PASSWORD, PASSWORD)
        ]

        assert statuses == [200, 401, 200, 401, 200, 429]

    async def test_is_recorded_without_the_typed_address_or_password(
        self, people: People, admin: Client
    ) -> None:
        attacker = await people.anonymous("198.51.100.7")
        for _ in range(12):
            await log_in(attacker, "typed-password@example.org", WRONG)

        answer = await admin.get("/audit-events", params={"limit": 100})

        events = [event["event"] for event in answer.json()["items"]]
        assert events.count("auth.login.failure") == 10
        assert events.count("auth.login.throttled") == 1  # at most one a minute
        assert "typed-password" not in answer.text
        assert WRONG not in answer.text
