from typing import Any

import pytest

from app.db.models.user import User
from tests.api.browser_sessions.browser import LISTED, log_in, token_in
from tests.support.people import Client, People


@pytest.fixture
def overrides() -> dict[str, Any]:
    return {"cors_allowed_origins": [LISTED]}


@pytest.fixture
async def account(people: People) -> User:
    return await people.add()


@pytest.fixture
async def token(client: Client, account: User) -> str:
    """The refresh token in the cookie of a browser that has signed in."""
    return token_in(await log_in(client, account))
