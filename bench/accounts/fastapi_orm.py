"""Accounts as the tutorials write them."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException
from sqlalchemy import select

from app.db.models.auth_session import AuthSession
from app.db.models.user import User
from app.schemas.user import UserRead
from bench.accounts.bearer import ClaimsDep
from bench.orm_session import SessionDep

router = APIRouter()


async def get_current_user(session: SessionDep, claims: ClaimsDep) -> User:
    now = datetime.now(UTC)
    user = await session.scalar(
        select(User)
        .join(AuthSession, AuthSession.user_id == User.id)
        .where(
            AuthSession.id == UUID(claims["sid"]),
            User.id == UUID(claims["sub"]),
            User.is_active,
            AuthSession.revoked_at.is_(None),
            AuthSession.expires_at > now,
            AuthSession.idle_expires_at > now,
        )
    )
    if user is None:
        raise HTTPException(401)
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


@router.get("/users/me", response_model=UserRead)
async def read_me(user: CurrentUser) -> User:
    return user
