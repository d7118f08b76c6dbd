"""Roles whose users need a second factor, from `MFA_REQUIRED_ROLES`."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.db.base import utc_now
from app.db.models.user import User
from app.db.session import transaction
from testbed.mailbox import mailed
from tests.support.people import Client, People
from tests.support.totp import enrol, read_events
from tests.support.watch import watch_statements


@pytest.fixture
def overrides() -> dict[str, Any]:
    return {"mfa_required_roles": "admin,editor"}


async def end_grace(app: FastAPI) -> None:
    async with transaction(app.state.shared.database) as session:
        long_ago = utc_now() - timedelta(days=8)
        await session.execute(update(User).values(mfa_asked_at=long_ago))


class TestGrace:
    async def test_begins_once_with_the_first_request(
        self, app: FastAPI, people: People, user: Client
    ) -> None:
        """Mutants: begin the grace again at each request; begin it for every role."""
        admin = await people.sign_in("admin")
        await asyncio.gather(*(admin.get("/users") for _ in range(4)))
        await user.get("/users/me")
        version = (await admin.get("/users/me")).headers["ETag"]

        with watch_statements() as statements:
            assert (await admin.get("/users")).status_code == 200

        assert len(statements) == 2  # one for the caller, one for the users
        assert version == '"v1"'
        [event] = await read_events(admin, "account.mfa.asked")
        assert event["subject_id"] == admin.user_id
        assert await mailed(app) == [("mfa_asked", admin.email)]

    @pytest.mark.parametrize(
        "overrides", [{"mfa_required_roles": "admin", "mfa_grace_days": 0}]
    )
    async def test_can_be_switched_off(self, admin: Client) -> None:
        answer = await admin.get("/users")

        assert (answer.status_code, answer.json()["code"]) == (403, "mfa_required")


class TestAfterTheGrace:
    async def test_callers_can_use_only_their_own_account_until_they_add_a_factor(
        self, app: FastAPI, people: People, client: Client
    ) -> None:
        """Mutants: refuse the routes that add a factor; read `acr` from the token."""
        admin = await people.sign_in("admin")
        await admin.get("/users")
        await end_grace(app)

        refused = await admin.get("/users")

        assert (refused.status_code, refused.json()["code"]) == (403, "mfa_required")
        assert 'acr_values="aal2"' in refused.headers["WWW-Authenticate"]
        phone = await enrol(app, admin)
        assert (await admin.get("/users")).status_code == 200
        await phone.log_in(client)
        assert (await client.get("/users")).status_code == 200
