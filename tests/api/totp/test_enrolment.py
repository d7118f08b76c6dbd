"""Adding, replacing and removing an authenticator app."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pyotp
import pytest
import segno
from fastapi import FastAPI
from sqlalchemy import select, update

from app.db.base import utc_now
from app.db.models.totp import Totp
from app.db.session import transaction
from app.services.retention import purge
from testbed.accounts import PASSWORD
from testbed.mailbox import read_outbox
from tests.support.people import Client, People
from tests.support.sessions import alter_sessions, end_sessions_during, is_logged_in
from tests.support.totp import Phone, enrol, finish, read_events, reauthenticate, use

HOUR_AGO = timedelta(minutes=61)


async def activate(client: Client, code: str) -> tuple[int, str]:
    answer = await client.post("/auth/mfa/totp/activate", json={"code": code})
    return answer.status_code, answer.json().get("code", "")


async def let_enrolment_expire(app: FastAPI) -> None:
    async with transaction(app.state.shared.database) as session:
        old = update(Totp).where(~Totp.is_active)
        await session.execute(old.values(created_at=utc_now() - HOUR_AGO))


async def log_in(client: Client, phone: Phone) -> int:
    token = await phone.begin(client)
    return (await finish(client, token, code=await phone.code())).status_code


class TestEnrolment:
    async def test_gives_a_secret_and_changes_nothing_before_a_code_confirms_it(
        self, user: Client, people: People
    ) -> None:
        """Mutant: ask for the second factor before a code was confirmed."""
        enrolment = (await user.post("/auth/mfa/totp")).json()

        parsed = pyotp.parse_uri(enrolment["uri"])
        assert (parsed.secret, parsed.name) == (enrolment["secret"], user.email)
        assert len(parsed.byte_secret()) == 20
        drawn = segno.make(enrolment["uri"], micro=False)
        assert enrolment["qr_code"] == drawn.svg_data_uri(scale=4, light="#fff")
        await people.log_in(user.account)

    async def test_is_active_after_a_right_code(
        self, app: FastAPI, people: People, admin: Client
    ) -> None:
        """Mutants: end no other session; leave the session of the caller at `aal1`."""
        account = await people.add()
        user, other = await people.log_in(account), await people.log_in(account)

        phone = await enrol(app, user)

        assert len({*phone.recovery_codes}) == 10
        read = (await user.get("/auth/mfa")).json()
        assert read == {"second_factors": ["totp"], "recovery_codes_left": 10}
        assert not await is_logged_in(other, other.tokens["access_token"])
        [mail] = await read_outbox(app)
        assert (mail.template, mail.recipient) == ("sign_in_changed", user.email)
        assert len(await read_events(admin, "account.mfa.totp.enrolled")) == 1
        assert len(await read_events(admin, "account.recovery_codes.generated")) == 1
        # The session has given the factor, so it can remove the factor.
        assert (await user.delete("/auth/mfa/totp")).status_code == 204

    async def test_needs_a_code_of_the_new_secret_within_an_hour(
        self, app: FastAPI, user: Client
    ) -> None:
        """Mutants: activate without a code; keep an unused secret for ever."""
        assert await activate(user, "000000") == (409, "totp_not_enrolled")
        first = Phone(app, user, (await user.post("/auth/mfa/totp")).json())
        second = Phone(app, user, (await user.post("/auth/mfa/totp")).json())
        assert await activate(user, first.shows()) == (401, "mfa_failed")

        await let_enrolment_expire(app)
        assert await activate(user, second.shows()) == (409, "totp_not_enrolled")
        await purge(app.state.shared.database, app.state.shared.settings)

        async with transaction(app.state.shared.database) as session:
            assert (await session.scalars(select(Totp))).all() == []

    async def test_uses_up_the_code(
        self, user: Client, client: Client, app: FastAPI
    ) -> None:
        """Mutant: let a login accept the code of the activation again."""
        phone = await enrol(app, user)

        answer = await finish(client, await phone.begin(client), code=phone.used)

        assert answer.status_code == 401

    @pytest.mark.parametrize("backend", ["postgresql"])  # SQLite has one writer
    async def test_needs_a_session_that_does_not_end_meanwhile(
        self, app: FastAPI, user: Client, database_url: str
    ) -> None:
        """A thief must not keep an app when the owner ends the session of the thief.

        Mutant: do not check the session again after locking the user.
        """
        phone = Phone(app, user, (await user.post("/auth/mfa/totp")).json())
        body = {"code": phone.shows()}

        answer = await end_sessions_during(
            database_url, user.post("/auth/mfa/totp/activate", json=body)
        )

        assert answer.status_code == 401

    async def test_needs_a_fresh_session(self, app: FastAPI, user: Client) -> None:
        await alter_sessions(app, user, auth_time=utc_now() - timedelta(minutes=11))

        answer = await user.post("/auth/mfa/totp")

        assert answer.json()["code"] == "reauthentication_required"


class TestReplacement:
    async def test_takes_effect_when_a_code_confirms_it(
        self, app: FastAPI, phone: Phone, client: Client
    ) -> None:
        """Mutants: accept the new secret at once; keep the old secret afterwards."""
        new = Phone(app, phone.owner, (await phone.owner.post("/auth/mfa/totp")).json())
        assert await log_in(client, new) == 401
        assert await log_in(client, phone) == 200

        body = {"code": new.shows()}
        answer = await phone.owner.post("/auth/mfa/totp/activate", json=body)

        assert answer.json() == {"recovery_codes": []}  # the owner still has ten
        assert await log_in(client, phone) == 401
        assert await log_in(client, new) == 200


class TestRemoval:
    async def test_makes_the_password_enough_to_log_in(
        self, app: FastAPI, phone: Phone, people: People, admin: Client
    ) -> None:
        """Mutant: keep the recovery codes, which would then be the only factor."""
        assert (await phone.owner.delete("/auth/mfa/totp")).status_code == 204

        read = (await phone.owner.get("/auth/mfa")).json()
        assert read == {"second_factors": [], "recovery_codes_left": 0}
        again = await phone.owner.delete("/auth/mfa/totp")
        assert (again.status_code, again.json()["code"]) == (404, "totp_not_found")
        await people.log_in(phone.owner.account)
        assert (await read_outbox(app))[-1].template == "sign_in_changed"
        assert len(await read_events(admin, "account.mfa.totp.removed")) == 1

    async def test_by_several_requests_at_once_is_done_once(
        self, phone: Phone, admin: Client
    ) -> None:
        """Mutant: use the factors that were read before the lock."""
        removals = (phone.owner.delete("/auth/mfa/totp") for _ in range(5))

        answers = await asyncio.gather(*removals)

        assert sorted(each.status_code for each in answers) == [204, *[404] * 4]
        assert len(await read_events(admin, "account.mfa.totp.removed")) == 1


class TestStepUp:
    CHANGES = (
        ("POST", "/auth/mfa/totp"),
        ("POST", "/auth/mfa/totp/activate"),
        ("DELETE", "/auth/mfa/totp"),
        ("POST", "/auth/mfa/recovery-codes"),
    )

    async def test_is_needed_for_every_change_of_a_factor(
        self, app: FastAPI, phone: Phone, client: Client
    ) -> None:
        """Mutant: let the password alone remove the second factor (downgrade)."""
        await phone.log_in(client)
        long_ago = utc_now() - timedelta(minutes=11)
        await alter_sessions(
            app, phone.owner, auth_time=long_ago, second_factor_at=long_ago
        )
        for proof, code in (
            (None, "reauthentication_required"),
            ({"password": PASSWORD}, "step_up_required"),
        ):
            if proof:
                use(client, await reauthenticate(client, **proof))
            for method, path in self.CHANGES:
                body = {"code": "000000"} if path.endswith("activate") else None
                answer = await client.request(method, path, json=body)
                assert (answer.status_code, answer.json()["code"]) == (401, code)
                challenge = answer.headers["WWW-Authenticate"]
                assert ('acr_values="aal2"' in challenge) is (proof is not None)
                assert 'error="insufficient_user_authentication"' in challenge

        use(client, await reauthenticate(client, code=await phone.code()))

        assert (await client.delete("/auth/mfa/totp")).status_code == 204


class TestStoredSecret:
    async def test_is_encrypted_for_its_user(self, app: FastAPI, phone: Phone) -> None:
        """Mutants: store the secret without encryption; encrypt without the user id."""
        secret = pyotp.TOTP(phone.secret).byte_secret()
        async with transaction(app.state.shared.database) as session:
            [row] = (await session.scalars(select(Totp))).all()

        assert secret not in row.secret
        assert row.user_id == UUID(phone.owner.user_id)
