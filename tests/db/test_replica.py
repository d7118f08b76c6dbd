"""A replica that never receives a change: a database without the service's writes."""

from typing import Any

import pytest
from fastapi import FastAPI

from app.db.models.user import User
from app.db.session import Database, transaction
from testbed.mailbox import newest_token
from tests.conftest import make_settings
from tests.notes.model import Note
from tests.support.people import Client, People

ACCOUNT = {"email": "ada@example.org", "password": "a quiet orange typewriter"}
NEW_PASSWORD = "a loud violet harmonica"


@pytest.fixture
def backend() -> str:
    return "postgresql"


@pytest.fixture
def overrides(replica_url: str) -> dict[str, Any]:
    return {"database_replica_url": replica_url}


async def log_in(client: Client, password: str = ACCOUNT["password"]) -> dict[str, Any]:
    account = {**ACCOUNT, "password": password}
    answer = await client.post("/auth/login", json=account)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return tokens


class TestReplicationLag:
    """Mutant: use the replica for every read, even for the caller's session."""

    async def test_does_not_affect_sessions(self, client: Client) -> None:
        registered = await client.post("/auth/register", json=ACCOUNT)
        assert registered.status_code == 201, registered.text

        tokens = await log_in(client)
        assert (await client.get("/users/me")).json()["email"] == ACCOUNT["email"]
        assert len((await client.get("/auth/sessions")).json()["items"]) == 1
        refreshed = await client.post(
            "/auth/refresh", json={"refresh_token": tokens["refresh_token"]}
        )
        assert refreshed.status_code == 200, refreshed.text
        spent = {"refresh_token": refreshed.json()["refresh_token"]}
        assert (await client.post("/auth/logout", json=spent)).status_code == 204
        assert (await client.get("/users/me")).status_code == 401

    async def test_does_not_affect_mailed_links(
        self, app: FastAPI, client: Client
    ) -> None:
        await client.post("/auth/register", json=ACCOUNT)
        await client.post("/auth/password/forgot", json={"email": ACCOUNT["email"]})
        token = await newest_token(app, "reset_password")

        reset = await client.post(
            "/auth/password/reset", json={"token": token, "password": NEW_PASSWORD}
        )

        assert reset.status_code == 204, reset.text
        await log_in(client, NEW_PASSWORD)


async def test_lists_come_from_the_replica(replica_url: str, people: People) -> None:
    """Mutant: write `NoteDirectory(database.read, …)`, which ignores the replica."""
    admin = await people.sign_in("admin")
    async with (
        Database(make_settings(database_url=replica_url)) as replica,
        transaction(replica) as session,
    ):
        account = admin.account
        copy = {name: getattr(account, name) for name in ("id", "email", "role")}
        session.add(
            User(
                **copy,
                email_canonical=account.email,
                password_hash="",
                full_name="On the replica",
            )
        )
        await session.flush()
        session.add(Note(owner_id=account.id, title="Old", text="news"))

    created = await admin.post("/notes", json={"title": "New"})

    assert created.status_code == 201
    listed = (await admin.get("/notes")).json()["items"]
    assert [note["title"] for note in listed] == ["Old"]
    assert (await admin.get("/notes/export")).text == "# Old\n\nnews\n\n"
    users = (await admin.get("/users")).json()["items"]
    assert [user["full_name"] for user in users] == ["On the replica"]
    assert (await admin.get("/audit-events")).json()["items"] == []
