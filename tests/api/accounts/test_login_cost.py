"""The cost of a login: hashes, which must not delay other requests, and statements."""

import asyncio
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from threading import get_native_id
from typing import Any

import argon2
import pytest
from fastapi import FastAPI
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from app.db.models.user import User
from app.db.session import transaction
from app.services.accounts.sessions import MAX_SESSIONS
from testbed.accounts import PASSWORD
from tests.support.people import Client, People
from tests.support.watch import watch_hashes, watch_statements

UNLIMITED = {"rate_limit_enabled": False}
WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
TABLE = re.compile(r"^(SELECT .*?FROM|UPDATE|INSERT INTO) (\w+)", re.DOTALL)


def tables(statements: list[str]) -> list[tuple[str, str]]:
    """Return the verb and the table of each statement."""
    found = filter(None, map(TABLE.match, statements))  # BEGIN has no table
    return [(each[1].split()[0], each[2]) for each in found]


@contextmanager
def watch_flushes() -> Iterator[list[Session]]:
    """Collect the ORM sessions that flush changes in the block."""
    flushed: list[Session] = []

    def note(session: Session, *_: object) -> None:
        flushed.append(session)

    event.listen(Session, "before_flush", note)
    try:
        yield flushed
    finally:
        event.remove(Session, "before_flush", note)


class TestHashingCost:
    @pytest.mark.parametrize(
        "overrides",
        [
            UNLIMITED | {"password_hash_threads": 2, "password_hash_queue": 16},
        ],
    )
    async def test_is_bounded_and_leaves_the_event_loop_free(
        self,
        people: People,
        user: Client,
        client: Client,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # Mutants: hash on the event loop; hash in default threads; hash all at once.
        watch = watch_hashes(monkeypatch)
        watch.gate.clear()
        clients = [await people.anonymous() for _ in range(60)]
        body = {"email": user.email, "password": PASSWORD}
        logins = [
            asyncio.create_task(each.post("/auth/login", json=body)) for each in clients
        ]

        refused = [await each for each in islice(asyncio.as_completed(logins), 42)]
        alive = await client.get("/health/live")
        watch.gate.set()
        accepted = [await each for each in logins]

        assert alive.status_code == 200
        for answer in refused:
            assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
            assert int(answer.headers["Retry-After"]) >= 1
        slots = min(2, len(os.sched_getaffinity(0)))
        assert sum(answer.status_code == 200 for answer in accepted) == slots + 16
        assert (watch.started, watch.most) == (slots + 16, slots)

    @pytest.mark.skipif(sys.platform != "linux", reason="threads have no nice value")
    @pytest.mark.parametrize("overrides", [{"password_hash_nice": 5}])
    async def test_gives_way_to_other_requests(
        self, user: Client, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Mutants: hash with normal priority; lower the priority of all threads."""
        verify, found = argon2.PasswordHasher.verify, []

        def observed(*args: Any) -> bool:
            found.append(os.getpriority(os.PRIO_PROCESS, get_native_id()))
            return verify(*args)

        monkeypatch.setattr(argon2.PasswordHasher, "verify", observed)
        own = os.getpriority(os.PRIO_PROCESS, get_native_id())

        body = {"email": user.email, "password": PASSWORD}
        answer = await client.post("/auth/login", json=body)

        assert answer.status_code == 200
        assert found == [min(own + 5, 19)]
        assert os.getpriority(os.PRIO_PROCESS, get_native_id()) == own


class TestStatements:
    @pytest.mark.parametrize("overrides", [UNLIMITED | {"health_probe_seconds": 3600}])
    async def test_are_few_and_skip_the_unit_of_work(
        self, people: People, client: Client
    ) -> None:
        """Mutants: record events one by one; add the session by the ORM."""
        user = await people.add()
        for _ in range(MAX_SESSIONS):
            await people.log_in(user)
        body = {"email": user.email, "password": PASSWORD}

        with watch_statements() as right, watch_flushes() as flushes:
            assert (await client.post("/auth/login", json=body)).status_code == 200
        with watch_statements() as wrong, watch_flushes() as wrong_flushes:
            body["password"] = "not the password"
            assert (await client.post("/auth/login", json=body)).status_code == 401

        assert tables(right) == [
            ("SELECT", "users"),
            ("SELECT", "users"),  # locks the account
            ("UPDATE", "auth_sessions"),  # ends the least recently used session
            ("INSERT", "auth_sessions"),
            ("INSERT", "audit_events"),  # for the new and the ended session
        ]
        assert tables(wrong) == [("SELECT", "users"), ("INSERT", "audit_events")]
        assert flushes == wrong_flushes == []


class TestSessionLimit:
    @pytest.mark.parametrize("overrides", [UNLIMITED])
    async def test_holds_for_logins_that_wait_for_each_other(
        self, app: FastAPI, people: People, backend: str
    ) -> None:
        """Mutants: do not lock the user; lock and end sessions in one statement.

        On PostgreSQL, a statement that waits for a lock then sees only sessions that
        were committed before it began.
        """
        account = await people.add()
        earlier = [await people.log_in(account) for _ in range(MAX_SESSIONS - 1)]

        async with transaction(app.state.shared.database) as session:
            await session.execute(select(User).with_for_update())
            logins = [asyncio.create_task(people.log_in(account)) for _ in range(2)]
            # On SQLite the logins wait to begin: only one transaction runs at a time.
            while backend == "postgresql" and await session.scalar(WAITING) < 2:
                await asyncio.sleep(0)
        await asyncio.gather(*logins)

        last, page = earlier[-1], {"limit": 100}
        sessions = (await last.get("/auth/sessions", params=page)).json()["items"]
        events = (await last.get("/users/me/security-events", params=page)).json()
        names = Counter(event["event"] for event in events["items"])
        assert len(sessions) == MAX_SESSIONS
        assert names["session.revoked"] == 1
        assert names["auth.login.success"] == MAX_SESSIONS + 1
