"""A cursor of products works for every caller who sees the same products."""

import pytest
from httpx2 import Response

from tests.support.people import Client


async def get(client: Client, path: str, **parameters: str) -> Response:
    return await client.get(path, params={"limit": "1", **parameters})


async def add_products(editor: Client) -> None:
    for number in range(2):
        product = {"sku": f"MUG-{number}", "name": "Mug", "price": "1.00"}
        product |= {"currency": "EUR", "status": "active"}
        response = await editor.post("/products", json=product)
        assert response.status_code == 201, response.text


async def test_is_refused_by_every_other_list(admin: Client, user: Client) -> None:
    """Mutant: sign cursors without the name of the list."""
    await add_products(admin)
    paths = ("/products", "/users")
    cursors = {path: (await get(admin, path)).json()["next_cursor"] for path in paths}

    for path in paths:
        for origin in paths:
            answer = await get(admin, path, cursor=cursors[origin])
            assert answer.status_code == (200 if path == origin else 400)


@pytest.mark.parametrize("query", [{}, {"q": "mug"}, {"q": "mug", "sort": "price"}])
async def test_works_only_for_callers_who_see_the_same_rows(
    client: Client, user: Client, editor: Client, query: dict[str, str]
) -> None:
    """Mutant: sign cursors without the filters that the service adds."""
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
