"""Resetting the second factors of a user who has lost them."""

from datetime import timedelta
from uuid import uuid4

from fastapi import FastAPI
from sqlalchemy import func, select

from app.db.base import utc_now
from app.db.models.recovery_code import RecoveryCode
from app.db.models.totp import Totp
from app.db.session import transaction
from testbed.mailbox import mailed
from tests.support.people import Client, People
from tests.support.sessions import alter_sessions, is_logged_in
from tests.support.totp import Phone, read_events


class TestReset:
    async def test_lets_the_owner_log_in_with_the_password(
        self, app: FastAPI, phone: Phone, people: People, admin: Client
    ) -> None:
        """Mutants: keep a secret; keep the sessions, which a thief can have."""
        owner = phone.owner

        answer = await admin.delete(f"/users/{owner.user_id}/mfa")

        assert answer.status_code == 204
        assert not await is_logged_in(owner, owner.tokens["access_token"])
        assert (await mailed(app))[-1] == ("mfa_reset", owner.email)
        [event] = await read_events(admin, "account.mfa.reset")
        assert event["actor_id"] == admin.user_id
        assert event["subject_id"] == owner.user_id
        async with transaction(app.state.shared.database) as session:
            for model in (Totp, RecoveryCode):
                count = select(func.count()).select_from(model)
                assert await session.scalar(count) == 0
        await people.log_in(owner.account)

    async def test_needs_an_administrator_with_a_fresh_session(
        self, app: FastAPI, phone: Phone, admin: Client
    ) -> None:
        unknown = await admin.delete(f"/users/{uuid4()}/mfa")
        assert unknown.json()["code"] == "user_not_found"
        for caller, code in ((phone.owner, "forbidden"),):
            answer = await caller.delete(f"/users/{phone.owner.user_id}/mfa")
            assert answer.json()["code"] == code
        await alter_sessions(app, admin, auth_time=utc_now() - timedelta(minutes=11))

        answer = await admin.delete(f"/users/{phone.owner.user_id}/mfa")

        assert answer.json()["code"] == "reauthentication_required"
