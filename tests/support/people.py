"""The clients and the accounts of the tests."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any

from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from starlette.types import ASGIApp

from app.db.models.user import Role, User
from app.db.session import transaction
from testbed.accounts import PASSWORD, password_hash
from tests.support.declared import assert_declared

numbers = count(1)


class Client(AsyncClient):
    """A client that knows the account of its token."""

    account: User
    tokens: dict[str, Any]  # the answer to its login

    @property
    def user_id(self) -> str:
        return str(self.account.id)

    @property
    def email(self) -> str:
        return self.account.email


@asynccontextmanager
async def open_client(
    app: ASGIApp, address: str = "192.0.2.1"
) -> AsyncGenerator[Client]:
    # Answer 500 like a server, instead of raising the error in the test.
    transport = ASGITransport(app, raise_app_exceptions=False, client=(address, 12345))
    async with Client(
        transport=transport,
        base_url="http://test/api/v1",
        event_hooks={"response": [assert_declared]},
    ) as client:
        yield client


class People:
    """Accounts made in the database, signed in over HTTP."""

    def __init__(self, app: FastAPI, stack: AsyncExitStack) -> None:
        self.app = app
        self.stack = stack

    async def add(self, role: str = "user", **fields: Any) -> User:
        email = fields.pop("email", f"{role}{next(numbers)}@example.org")
        user = User(
            email=email,
            email_canonical=email.lower(),
            role=Role(role),
            **{"password_hash": password_hash(), "email_verified": True, **fields},
        )
        async with transaction(self.app.state.shared.database) as session:
            session.add(user)
        return user

    async def anonymous(self, address: str = "192.0.2.1") -> Client:
        return await self.stack.enter_async_context(open_client(self.app, address))

    async def log_in(self, user: User, address: str = "192.0.2.1") -> Client:
        client = await self.anonymous(address)
        response = await client.post(
            "/auth/login", json={"email": user.email, "password": PASSWORD}
        )
        assert response.status_code == 200, response.text
        client.tokens = response.json()
        client.headers["Authorization"] = f"Bearer {client.tokens['access_token']}"
        client.account = user
        return client

    async def sign_in(self, role: str = "user", **fields: Any) -> Client:
        return await self.log_in(await self.add(role, **fields))
