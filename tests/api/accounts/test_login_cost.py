"""What a login costs: hashes that give way to other requests, and statements."""

import asyncio
import os
import sys
from itertools import islice
from threading import get_native_id
from typing import Any

import argon2
import pytest

from testbed.accounts import PASSWORD
from tests.support.people import Client, People
from tests.support.watch import watch_hashes

UNLIMITED = {"rate_limit_enabled": False}


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
        # Mutants: hash on the event loop, in its default threads, or all at once.
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
        assert sum(answer.status_code == 200 for answer in accepted) == 18
        assert (watch.started, watch.most) == (18, 2)

    @pytest.mark.skipif(sys.platform != "linux", reason="threads have no nice value")
    @pytest.mark.parametrize("overrides", [{"password_hash_nice": 5}])
    async def test_gives_way_to_other_requests(
        self, user: Client, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Mutants: hash as eagerly as the event loop; slow the whole process down."""
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
