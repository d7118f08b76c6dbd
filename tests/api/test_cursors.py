"""A cursor is valid only for the list that returned it."""

import pytest
from httpx2 import Response

from tests.support.people import Client, People

SHARED = ["/users", "/audit-events"]
PERSONAL = ["/auth/sessions", "/users/me/security-events", "/notes"]


async def get(client: Client, path: str, **parameters: str) -> Response:
    return await client.get(path, params={"limit": "1", **parameters})


@pytest.mark.parametrize("path", SHARED + PERSONAL)
async def test_a_cursor_is_refused_by_every_other_list(
    people: People, path: str
) -> None:
    """Mutants: sign cursors without the name of the list, or without its owner."""
    account, other = await people.add("admin"), await people.sign_in("admin")
    admin = [await people.log_in(account) for _ in range(2)][-1]
    for title in "AB":
        await admin.post("/notes", json={"title": title})
    cursor = (await get(admin, path)).json()["next_cursor"]

    statuses = {
        each: (await get(admin, each, cursor=cursor)).status_code
        for each in SHARED + PERSONAL
    }
    of_another = await get(other, path, cursor=cursor)

    assert cursor is not None
    assert statuses == {each: 200 if each == path else 400 for each in statuses}
    assert of_another.status_code == (200 if path in SHARED else 400)


@pytest.mark.parametrize(
    "other", [{"sort": "budget"}, {"sort": "title", "liked": "false"}, {}]
)
async def test_a_cursor_is_refused_with_another_sort_or_filter(
    user: Client, other: dict[str, str]
) -> None:
    """Mutants: sign cursors without the order; sign them without the filters."""
    for title in "AB":
        await user.post("/notes", json={"title": title})
    cursor = (await get(user, "/notes", sort="title")).json()["next_cursor"]

    same = await get(user, "/notes", cursor=cursor, sort="title")
    refused = await get(user, "/notes", cursor=cursor, **other)

    assert [note["title"] for note in same.json()["items"]] == ["B"]
    assert (refused.status_code, refused.json()["code"]) == (400, "cursor_invalid")
