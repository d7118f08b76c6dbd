"""The query plan of the list of identities, in a table with many rows."""

from typing import Any

import pytest
from fastapi import FastAPI

from tests.support.people import Client
from tests.support.plans import Lists, Query, fill

LISTS: dict[str, tuple[Query, ...]] = {"/auth/identities": ({},)}
FILL = (
    """
    INSERT INTO external_identities
        (id, user_id, provider, issuer, subject, created_at, updated_at)
    SELECT {id}, {user}, 'acme', 'https://id.example.com', n, {at}, {at}
    FROM {series}
    """,
)


@pytest.fixture
def overrides() -> dict[str, Any]:
    return {}


async def test_the_list_is_read_through_an_index(app: FastAPI, user: Client) -> None:
    """Mutant: drop the index, or add a column to the sort."""
    lists = Lists(app.state.shared.database)
    await fill(lists.database, FILL, user=user.user_id)

    for path, queries in LISTS.items():
        for query in queries:
            await lists.check(user, path, query)
