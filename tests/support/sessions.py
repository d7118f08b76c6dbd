"""Refresh tokens and the rows behind them."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import select, update

from app.db.models.auth_session import AuthSession
from app.db.session import transaction
from tests.support.people import Client
from tests.support.timeouts import holding, until


async def refresh(client: Client, token: str) -> Response:
    return await client.post("/auth/refresh", json={"refresh_token": token})


async def is_logged_in(client: Client, access_token: str) -> bool:
    headers = {"Authorization": f"Bearer {access_token}"}
    response = await client.get("/users/me", headers=headers)
    assert response.status_code in {200, 401}
    return response.status_code == 200


async def only_session(app: FastAPI, user: Client) -> AuthSession:
    statement = select(AuthSession).where(AuthSession.user_id == UUID(user.user_id))
    async with transaction(app.state.shared.database) as session:
        return (await session.scalars(statement)).one()


async def alter_sessions(app: FastAPI, user: Client, **values: Any) -> None:
    """Change columns that otherwise change only with time."""
    statement = update(AuthSession).where(AuthSession.user_id == UUID(user.user_id))
    async with transaction(app.state.shared.database) as session:
        await session.execute(statement.values(values))


async def end_sessions_during(
    url: str, request: Coroutine[Any, Any, Response]
) -> Response:
    """End all sessions while a request waits for the lock on its user."""
    async with holding(url, "SELECT FROM users FOR UPDATE") as owner:
        answering = asyncio.create_task(request)
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        await until(url, waits, answering)
        await owner.execute("UPDATE auth_sessions SET revoked_at = now()")
    return await answering
