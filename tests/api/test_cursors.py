"""A cursor continues the list it came from, and no other."""

import pytest
from httpx2 import Response

from tests.support.people import Client, People

SHARED = ["/users", "/audit-events", "/products"]
PERSONAL = ["/auth/sessions", "/users/me/security-events"]


async def get(client: Client, path: str, **parameters: str) -> Response:
    return await client.get(path, params={"limit": "1", **parameters})


async def add_products(editor: Client) -> None:
    for number in range(2):
        product = {"sku": f"MUG-{number}", "name": "Mug", "price": "1.00"}
        product |= {"currency": "EUR", "status": "active"}
        response = await editor.post("/products", json=product)
        assert response.status_code == 201, response.text


@pytest.mark.parametrize("path", SHARED + PERSONAL)
async def test_a_cursor_fits_its_own_list_alone(people: People, path: str) -> None:
    """Mutants: a context without the list, or without its owner."""
    account, other = await people.add("admin"), await people.sign_in("admin")
    admin = [await people.log_in(account) for _ in range(2)][-1]
    await add_products(admin)
    cursor = (await get(admin, path)).json()["next_cursor"]

    statuses = {
        each: (await get(admin, each, cursor=cursor)).status_code
        for each in SHARED + PERSONAL
    }
    of_another = await get(other, path, cursor=cursor)

    assert cursor is not None
    assert statuses == {each: 200 if each == path else 400 for each in statuses}
    assert of_another.status_code == (200 if path in SHARED else 400)


@pytest.mark.parametrize("query", [{}, {"q": "mug"}, {"q": "mug", "sort": "price"}])
async def test_a_cursor_fits_only_callers_who_see_the_same_rows(
    client: Client, user: Client, editor: Client, query: dict[str, str]
) -> None:
    """Mutant: a context without the filters that the service adds to the query."""
    await add_products(editor)
    path = "/products"
    of_active = (await get(client, path, **query)).json()["next_cursor"]
    of_all = (await get(editor, path, **query)).json()["next_cursor"]

    active, every = [
        [await get(each, path, **query, cursor=cursor) for each in callers]
        for cursor, callers in [
            (of_active, (client, user, editor)),
            (of_all, (editor, client, user)),
        ]
    ]

    assert [answer.status_code for answer in active] == [200, 200, 400]
    assert [answer.status_code for answer in every] == [200, 400, 400]
    refused = [active[2], *every[1:]]
    assert {answer.json()["code"] for answer in refused} == {"cursor_invalid"}
