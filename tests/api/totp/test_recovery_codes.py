"""Recovery codes, for users who have lost their second factor."""

import asyncio
import hashlib
from collections import Counter

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.db.models.recovery_code import RecoveryCode
from app.db.session import transaction
from testbed.mailbox import read_outbox
from tests.support.people import Client
from tests.support.sessions import end_sessions_during
from tests.support.totp import Phone, finish, read_events, reauthenticate, use


async def log_in(client: Client, phone: Phone, code: str) -> int:
    token = await phone.begin(client)
    return (await finish(client, token, recovery_code=code)).status_code


class TestRecoveryCode:
    async def test_works_once_and_its_owner_gets_a_mail(
        self, app: FastAPI, phone: Phone, client: Client, admin: Client
    ) -> None:
        """Mutants: keep a used code; compare a code exactly as it is typed."""
        code = phone.recovery_codes[3]

        assert await log_in(client, phone, f" {code.lower().replace('-', '')} ") == 200
        assert await log_in(client, phone, code) == 401

        mail = (await read_outbox(app))[-1]
        assert (mail.template, mail.context["left"]) == ("recovery_code_used", "9")
        assert mail.recipient == phone.owner.email
        assert len(await read_events(admin, "account.recovery_codes.used")) == 1
        assert len(await read_events(admin, "auth.mfa.failure")) == 1

    @pytest.mark.parametrize("overrides", [{"rate_limit_enabled": False}])
    async def test_works_once_of_ten_at_the_same_time(
        self, phone: Phone, client: Client
    ) -> None:
        """Mutant: select the code, and delete it in a second statement."""
        tokens = [await phone.begin(client) for _ in range(10)]
        answer = {"recovery_code": phone.recovery_codes[0]}

        answers = await asyncio.gather(*(finish(client, t, **answer) for t in tokens))

        assert Counter(each.status_code for each in answers) == {200: 1, 401: 9}

    @pytest.mark.parametrize("backend", ["postgresql"])  # SQLite has one writer
    async def test_is_not_replaced_if_the_session_ends_meanwhile(
        self, phone: Phone, database_url: str
    ) -> None:
        """A thief must not get new codes while the owner ends the stolen session.

        Mutant: do not check the session again after locking the user.
        """
        answer = await end_sessions_during(
            database_url, phone.owner.post("/auth/mfa/recovery-codes")
        )

        assert answer.status_code == 401

    async def test_is_replaced_by_new_ones(
        self, phone: Phone, client: Client, user: Client
    ) -> None:
        answer = await phone.owner.post("/auth/mfa/recovery-codes")

        assert answer.status_code == 201
        [new, *others] = answer.json()["recovery_codes"]
        assert len(others) == 9
        assert await log_in(client, phone, phone.recovery_codes[0]) == 401
        assert await log_in(client, phone, new) == 200
        refused = await user.post("/auth/mfa/recovery-codes")
        assert refused.json()["code"] == "no_second_factor"

    async def test_is_random_and_stored_as_a_hash(
        self, app: FastAPI, phone: Phone
    ) -> None:
        """Mutants: use fewer than the 112 bits of ASVS 6.5.2; store the code itself."""
        async with transaction(app.state.shared.database) as session:
            stored = {*await session.scalars(select(RecoveryCode.code_hash))}

        codes = [code.replace("-", "") for code in phone.recovery_codes]
        assert {len(code) for code in codes} == {24}  # each is one of 32, so 120 bits
        assert stored == {hashlib.sha256(code.encode()).digest() for code in codes}

    async def test_confirms_a_session_too(self, phone: Phone) -> None:
        owner, codes = phone.owner, phone.recovery_codes

        use(owner, await reauthenticate(owner, recovery_code=codes[0]))

        assert (await owner.delete("/auth/mfa/totp")).status_code == 204
