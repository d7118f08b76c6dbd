"""FastAPI and the ORM as the tutorials write them, over the application's tables.

Models and schemas are the application's, so that both do the same work and answer
the same bytes; nothing else of it is here.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import orjson
from argon2 import PasswordHasher
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from sqlalchemy import desc, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from app.db.models.auth_session import AuthSession
from app.db.models.product import Product, ProductStatus
from app.db.models.user import Role, User
from app.schemas.auth import Credentials, TokenPair
from app.schemas.page import Page
from app.schemas.product import ProductCreate, ProductRead
from app.schemas.user import UserRead
from app.services.products.search import search_columns
from bench.comparison import (
    DATABASE_URL,
    DB_POOL_SIZE,
    LIFETIME,
    PREFIX,
    SECRET_KEY,
    TOKEN_HEADER,
    refresh_token,
    token_claims,
)

KEY = OctKey.import_key(SECRET_KEY)
REGISTRY = jwt.JWTClaimsRegistry()
hasher = PasswordHasher()
engine = create_async_engine(
    DATABASE_URL.replace("postgresql:", "postgresql+asyncpg:"),
    pool_size=DB_POOL_SIZE,
    max_overflow=0,
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


async def get_session() -> AsyncGenerator[AsyncSession]:
    async with sessions() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]
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


@app.get(PREFIX + "/products", response_model=Page[ProductRead])
async def list_products(session: SessionDep, limit: int = 20) -> dict[str, Any]:
    found = await session.scalars(
        select(Product)
        .where(Product.status == ProductStatus.ACTIVE)
        .order_by(desc(Product.created_at), desc(Product.id))
        .limit(limit + 1)
    )
    products = found.all()
    cursor = None
    if len(products) > limit:
        last = products[limit - 1]
        position = orjson.dumps([0, last.created_at, last.id.hex])
        cursor = urlsafe_b64encode(bytes(17) + position).rstrip(b"=").decode()
    return {"items": products[:limit], "next_cursor": cursor}


@app.get(PREFIX + "/products/{product_id}", response_model=ProductRead)
async def read_product(session: SessionDep, product_id: UUID) -> Product:
    product = await session.scalar(
        select(Product).where(
            Product.id == product_id, Product.status == ProductStatus.ACTIVE
        )
    )
    if product is None:
        raise HTTPException(404)
    return product


@app.post(PREFIX + "/products", response_model=ProductRead, status_code=201)
async def create_product(
    session: SessionDep, user: CurrentUser, data: ProductCreate
) -> Product:
    if user.role == Role.USER:
        raise HTTPException(403)
    values = data.model_dump()
    product = Product(**values, **search_columns(values))
    session.add(product)
    await session.commit()
    return product


@app.get(PREFIX + "/users/me", response_model=UserRead)
async def read_me(user: CurrentUser) -> User:
    return user


@app.post(PREFIX + "/auth/login")
async def login(
    session: SessionDep, request: Request, credentials: Credentials
) -> TokenPair:
    email = credentials.email.lower()
    user = await session.scalar(
        select(User).where(User.email_canonical == email, User.is_active)
    )
    if user is None:
        raise HTTPException(401)
    # Raises when it is another password, which the bench never sends.
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
        access_token=jwt.encode(TOKEN_HEADER, token_claims(user.id, started.id), KEY),
        refresh_token=refresh_token(),
        expires_in=LIFETIME,
    )
