"""An authenticator app, and accounts that have one."""

import time
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
MARGIN = 2  # seconds in which a code reaches the service


class Phone:
    """The authenticator app of a user, and the user's list of recovery codes."""

    def __init__(self, app: FastAPI, owner: Client, enrolment: dict[str, str]) -> None:
        self.app = app
        self.owner = owner
        self.secret = enrolment["secret"]
        self.recovery_codes: list[str] = []
        self.used = ""  # the code of the activation

    def shows(self, steps_ago: int = 0) -> str:
        if (left := STEP - time.time() % STEP) < MARGIN:
            time.sleep(left)  # the next code would count as the current one
        return pyotp.TOTP(self.secret).at(int(time.time()) - steps_ago * STEP)

    async def code(self) -> str:
        """Return a code that was not used yet, as if thirty seconds had passed."""
        mine = Totp.user_id == UUID(self.owner.user_id)
        async with transaction(self.app.state.shared.database) as session:
            await session.execute(update(Totp).where(mine).values(last_step=0))
        return self.shows()

    async def begin(self, client: Client, **headers: str) -> str:
        """Give the password, and return the `mfa_token`."""
        body = {"email": self.owner.email, "password": PASSWORD}
        answer = await client.post("/auth/login", json=body, headers=headers)
        assert answer.json()["status"] == "mfa_required", answer.text
        return str(answer.json()["mfa_token"])

    async def log_in(self, client: Client) -> Response:
        """Log in with both factors. The client uses the new session from then on."""
        token = await self.begin(client)
        answer = await finish(client, token, code=await self.code())
        use(client, answer)
        client.account = self.owner.account
        return answer


def use(client: Client, answer: Response) -> None:
    """Let a client use the tokens of an answer."""
    assert answer.status_code == 200, answer.text
    client.tokens = answer.json()
    client.headers["Authorization"] = f"Bearer {client.tokens['access_token']}"


async def finish(client: Client, token: str, **answer: str) -> Response:
    return await client.post("/auth/login/mfa", json={"mfa_token": token, **answer})


async def reauthenticate(client: Client, **proof: str) -> Response:
    return await client.post("/auth/reauthenticate", json=proof)


async def enrol(app: FastAPI, client: Client) -> Phone:
    """Add an authenticator app to the account of the client."""
    answer = await client.post("/auth/mfa/totp")
    assert answer.status_code == 201, answer.text
    phone = Phone(app, client, answer.json())
    phone.used = phone.shows()
    body = {"code": phone.used}
    active = await client.post("/auth/mfa/totp/activate", json=body)
    assert active.status_code == 200, active.text
    phone.recovery_codes = active.json()["recovery_codes"]
    return phone


async def enrolled(app: FastAPI, people: People, role: str = "user") -> Phone:
    return await enrol(app, await people.sign_in(role))


async def read_events(admin: Client, name: str) -> list[dict[str, Any]]:
    answer = await admin.get("/audit-events", params={"event": name})
    found: list[dict[str, Any]] = answer.json()["items"]
    return found
