"""Editors without the second factor that their role needs."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.db.base import utc_now
from app.db.models.user import User
from app.db.session import transaction
from tests.support.people import Client

DRAFT = {"sku": "A1", "name": "A", "price": "1.00", "currency": "EUR"}


@pytest.fixture
def overrides() -> dict[str, Any]:
    return {"mfa_required_roles": "editor"}


async def end_grace(app: FastAPI) -> None:
    async with transaction(app.state.shared.database) as session:
        long_ago = utc_now() - timedelta(days=8)
        await session.execute(update(User).values(mfa_asked_at=long_ago))


async def test_see_only_what_visitors_see_in_a_public_list(
    app: FastAPI, editor: Client
) -> None:
    """Mutant: restrict such callers only at routes that need a scope."""
    assert (await editor.post("/products", json=DRAFT)).status_code == 201
    assert len((await editor.get("/products")).json()["items"]) == 1
    await end_grace(app)

    assert (await editor.get("/products")).json()["items"] == []


async def test_need_no_factor_in_another_role(
    app: FastAPI, editor: Client, admin: Client
) -> None:
    await editor.get("/users/me")
    await end_grace(app)
    refused = await editor.post("/products", json=DRAFT)
    assert refused.json()["code"] == "mfa_required"

    await admin.patch(f"/users/{editor.user_id}", json={"role": "user"})

    answer = await editor.post("/products", json=DRAFT)
    assert answer.json()["code"] == "forbidden"
