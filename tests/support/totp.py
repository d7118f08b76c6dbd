"""An authenticator app, and accounts that have one."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pyotp
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import update

from app.db.models.totp import Totp
from app.db.session import transaction
from testbed.accounts import PASSWORD
from tests.support.people import Client, People

STEP = 30  # seconds


@dataclass
class Authenticator:
    """The app on the phone of a user."""

    app: FastAPI
    owner: Client
    secret: str
    recovery_codes: list[str]

    async def code(self, steps_ago: int = 0) -> str:
        """Return a code that was not used yet, as after the next thirty seconds."""
        forget = (
            update(Totp)
            .where(Totp.user_id == UUID(self.owner.user_id))
            .values(last_step=0)
        )
        async with transaction(self.app.state.shared.database) as session:
            await session.execute(forget)
        return self.again(steps_ago)

    def again(self, steps_ago: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(int(time.time()) - steps_ago * STEP)

    async def begin(self, client: Client) -> str:
        """Give the password, and return the `mfa_token`."""
        body = {"email": self.owner.email, "password": PASSWORD}
        answer = await client.post("/auth/login", json=body)
        assert answer.json()["status"] == "mfa_required", answer.text
        return str(answer.json()["mfa_token"])

    async def log_in(self, client: Client) -> dict[str, Any]:
        """Log in with both factors; the client then uses the new session."""
        token = await self.begin(client)
        answer = await finish(client, token, code=await self.code())
        assert answer.status_code == 200, answer.text
        client.tokens = answer.json()
        client.headers["Authorization"] = f"Bearer {client.tokens['access_token']}"
        client.account = self.owner.account
        return client.tokens


async def finish(client: Client, token: str, **answer: str) -> Response:
    return await client.post("/auth/login/mfa", json={"mfa_token": token, **answer})


async def enrol(app: FastAPI, client: Client) -> Authenticator:
    """Add an authenticator app to the account of the client."""
    secret = (await client.post("/auth/mfa/totp")).json()["secret"]
    app_of_user = Authenticator(app, client, secret, [])
    body = {"code": app_of_user.again()}
    answer = await client.post("/auth/mfa/totp/activate", json=body)
    assert answer.status_code == 200, answer.text
    app_of_user.recovery_codes = answer.json()["recovery_codes"]
    return app_of_user


async def enrolled(app: FastAPI, people: People, role: str = "user") -> Authenticator:
    return await enrol(app, await people.sign_in(role))
