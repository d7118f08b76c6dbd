"""The service always keeps at least one administrator."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from testbed.accounts import PASSWORD
from tests.support.people import Client, People


async def demote(by: Client, whom: Client) -> int:
    response = await by.patch(f"/users/{whom.user_id}", json={"role": "user"})
    return response.status_code


async def disable(by: Client, whom: Client) -> int:
    response = await by.patch(f"/users/{whom.user_id}", json={"is_active": False})
    return response.status_code


async def delete(by: Client, whom: Client) -> int:
    return (await by.delete(f"/users/{whom.user_id}")).status_code


async def leave(by: Client, _: Client) -> int:
    response = await by.request("DELETE", "/users/me", json={"password": PASSWORD})
    return response.status_code


Removal = Callable[[Client, Client], Awaitable[int]]


@pytest.mark.parametrize(
    ("first", "second"),
    [(demote, demote), (disable, delete), (leave, leave), (leave, demote)],
)
async def test_two_administrators_cannot_remove_each_other_at_once(
    people: People, first: Removal, second: Removal
) -> None:
    # Mutants: count the other administrators without a lock; lock the changed account
    # before the administrators, so that the two requests deadlock.
    one, other = await people.sign_in("admin"), await people.sign_in("admin")

    statuses = await asyncio.gather(first(one, other), second(other, one))

    assert not set(statuses) - {200, 204, 401, 403, 409}
    lists = [await each.get("/users") for each in (one, other)]
    assert 200 in [answer.status_code for answer in lists]


@pytest.mark.parametrize("remove", [demote, disable, delete, leave])
async def test_the_last_administrator_stays(admin: Client, remove: Removal) -> None:
    assert await remove(admin, admin) == 409
    assert (await admin.get("/users")).status_code == 200


@pytest.mark.parametrize(
    ("overrides", "stays"),
    [({"registration": "verified"}, True), ({"registration": "open"}, False)],
)
@pytest.mark.parametrize("remove", [demote, disable, delete, leave])
async def test_an_administrator_who_cannot_log_in_does_not_count(
    people: People, admin: Client, remove: Removal, stays: bool
) -> None:
    """Mutants: ignore whether the address is verified; always demand that it is."""
    await people.add("admin", email_verified=False)

    assert (await remove(admin, admin) == 409) == stays
