"""Personal data of a deleted user in other tables than `users`."""

import asyncio

import pytest
from fastapi import FastAPI

from testbed.accounts import PASSWORD
from testbed.mailbox import mailed
from tests.support.people import Client, People
from tests.support.timeouts import SHORT, WAITS, holding, until

AGENT = {"User-Agent": "Browser/1"}


@pytest.mark.parametrize("by", ["user", "admin"])
async def test_data_of_the_user_is_erased_and_data_of_others_stays(
    app: FastAPI, people: People, admin: Client, by: str
) -> None:
    """Mutants: erase nothing; erase only what the user did; erase data of others."""
    user = await people.sign_in(email="Ada@example.org")
    other = await people.sign_in(email="other@example.org")
    stranger = await people.anonymous("198.51.100.7")
    wrong = {"email": user.email, "password": "wrong"}
    assert (await stranger.post("/auth/login", json=wrong)).status_code == 401
    change = {"email": "new@example.org", "password": PASSWORD}
    changing = await user.post("/auth/email/change", json=change, headers=AGENT)
    assert changing.status_code == 202, changing.text
    for address in (user.email, other.email):
        await stranger.post("/auth/password/forgot", json={"email": address})
    renamed = {"full_name": "Ada", "role": "editor"}
    await admin.patch(f"/users/{user.user_id}", json=renamed, headers=AGENT)

    if by == "user":
        me = {"password": PASSWORD}
        deleted = await user.request("DELETE", "/users/me", json=me, headers=AGENT)
    else:
        deleted = await admin.delete(f"/users/{user.user_id}", headers=AGENT)

    assert deleted.status_code == 204, deleted.text
    assert {recipient for _, recipient in await mailed(app)} == {None, other.email}
    events = (await admin.get("/audit-events?limit=100")).json()["items"]
    for event in events:
        acts = event["actor_id"] or event["subject_id"]
        origin = (event["ip"], event["user_agent"])
        assert (origin == (None, None)) is (acts == user.user_id), event
    assert admin.user_id in {event["actor_id"] for event in events}


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.parametrize("overrides", [SHORT])
async def test_erasing_can_take_longer_than_other_statements(
    user: Client, database_url: str
) -> None:
    """Mutant: keep the timeouts, so that a user with many events is never deleted."""
    body = {"password": PASSWORD}
    async with holding(database_url, "SELECT FROM audit_events FOR UPDATE"):
        delete = user.request("DELETE", "/users/me", json=body)
        deleting = asyncio.create_task(delete)
        await until(database_url, WAITS, deleting)

    assert (await deleting).status_code == 204
