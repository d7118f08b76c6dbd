"""The limit: a bare ASGI callable, a bare asyncpg pool, and nothing optional."""

import asyncio
import hmac
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from argon2 import PasswordHasher
from uuid_utils.compat import uuid7

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

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Answer = tuple[int, bytes]

PRODUCT = (
    "id, sku, name, description, price, currency, stock, category, status, version,"
    " created_at, updated_at"
)
SELECT_PRODUCT = f"SELECT {PRODUCT} FROM products WHERE id = $1 AND status = 'active'"
SELECT_PRODUCTS = (
    f"SELECT {PRODUCT} FROM products WHERE status = 'active'"
    " ORDER BY created_at DESC, id DESC LIMIT $1"
)
INSERT_PRODUCT = (
    f"INSERT INTO products ({PRODUCT}, title_words, category_words, description_words)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $10, $11, $12, $13)"
)
SELECT_CALLER = (
    "SELECT u.id, u.email, u.full_name, u.role, u.is_active, u.email_verified,"
    " u.created_at, u.updated_at"
    " FROM users u JOIN auth_sessions s ON s.user_id = u.id"
    " WHERE s.id = $1 AND u.id = $2 AND u.is_active AND s.revoked_at IS NULL"
    " AND s.expires_at > $3 AND s.idle_expires_at > $3"
)
SELECT_LOGIN = (
    "SELECT id, password_hash FROM users WHERE email_canonical = $1 AND is_active"
)
INSERT_SESSION = (
    "INSERT INTO auth_sessions (id, user_id, salt, generation, scope, amr, acr,"
    " auth_time, ip, last_ip, rotated_at, idle_expires_at, expires_at, created_at,"
    " updated_at) VALUES"
    " ($1, $2, $3, 0, $4, 'pwd', 'aal1', $5, $6, $6, $5, $7, $7, $5, $5)"
)

KEY = SECRET_KEY.encode()
HEADER = urlsafe_b64encode(orjson.dumps(TOKEN_HEADER)).rstrip(b"=")
hasher = PasswordHasher()
pool: asyncpg.Pool


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    status, body = await answer(scope, receive)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    return await send({"type": "http.response.body", "body": body})


async def lifespan(receive: Receive, send: Send) -> None:
    global pool
    await receive()
    pool = await asyncpg.create_pool(
        DATABASE_URL, min_size=DB_POOL_SIZE, max_size=DB_POOL_SIZE, reset=keep
    )
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await pool.close()
    await send({"type": "lifespan.shutdown.complete"})


async def keep(_: object) -> None:
    """Spare the round trip that asyncpg resets a released connection with."""


async def answer(scope: Scope, receive: Receive) -> Answer:
    method, path = scope["method"], scope["path"].removeprefix(PREFIX)
    if (method, path) == ("GET", "/products"):
        return await list_products(int(scope["query_string"].removeprefix(b"limit=")))
    if (method, path) == ("GET", "/users/me"):
        caller = await find_caller(scope)
        return (200, dumps(dict(caller))) if caller else (401, b"")
    if (method, path) == ("POST", "/products"):
        return await create_product(scope, receive)
    if (method, path) == ("POST", "/auth/login"):
        return await login(scope, receive)
    if method == "GET" and path.startswith("/products/"):
        row = await pool.fetchrow(SELECT_PRODUCT, UUID(path[10:]))
        return (200, dumps(dict(row))) if row else (404, b"")
    return 404, b""


async def list_products(limit: int) -> Answer:
    rows = await pool.fetch(SELECT_PRODUCTS, limit + 1)
    cursor = None
    if len(rows) > limit:
        last = rows[limit - 1]
        position = orjson.dumps([0, last["created_at"], last["id"].hex])
        cursor = urlsafe_b64encode(bytes(17) + position).rstrip(b"=").decode()
    items = [dict(row) for row in rows[:limit]]
    return 200, dumps({"items": items, "next_cursor": cursor})


async def create_product(scope: Scope, receive: Receive) -> Answer:
    caller = await find_caller(scope)
    if caller is None or caller["role"] == "user":
        return (403 if caller else 401), b""
    sent = orjson.loads(await read_body(receive))
    now = datetime.now(UTC)
    row = {
        "id": uuid7(),
        "sku": sent["sku"],
        "name": sent["name"],
        "description": sent["description"],
        "price": Decimal(sent["price"]),
        "currency": sent["currency"],
        "stock": sent["stock"],
        "category": sent["category"],
        "status": sent["status"],
        "created_at": now,
    }
    await pool.execute(INSERT_PRODUCT, *row.values(), *search_columns(row).values())
    del row["created_at"]
    return 201, dumps(row | {"version": 1, "created_at": now, "updated_at": now})


async def login(scope: Scope, receive: Receive) -> Answer:
    sent = orjson.loads(await read_body(receive))
    user = await pool.fetchrow(SELECT_LOGIN, sent["email"].lower())
    if user is None:
        return 401, b""
    # Raises when it is another password, which the bench never sends.
    await asyncio.to_thread(hasher.verify, user["password_hash"], sent["password"])
    session_id, now, address = uuid7(), datetime.now(UTC), scope["client"][0]
    claims = token_claims(user["id"], session_id)
    end = now + timedelta(days=14)
    salt = secrets.token_bytes(32)
    row = (session_id, user["id"], salt, claims["scope"], now, address, end)
    await pool.execute(INSERT_SESSION, *row)
    pair = {
        "access_token": sign(claims),
        "refresh_token": refresh_token(),
        "token_type": "bearer",
        "expires_in": LIFETIME,
    }
    return 200, dumps(pair)


async def read_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    return body + await read_body(receive) if message["more_body"] else body


async def find_caller(scope: Scope) -> Any:
    token = next(v for n, v in scope["headers"] if n == b"authorization")[7:]
    signed, _, mac = token.rpartition(b".")
    claims = orjson.loads(urlsafe_b64decode(signed.partition(b".")[2] + b"=="))
    if not hmac.compare_digest(mac, signature(signed)) or claims["exp"] < time.time():
        return None
    ids = UUID(claims["sid"]), UUID(claims["sub"])
    return await pool.fetchrow(SELECT_CALLER, *ids, datetime.now(UTC))


def sign(claims: dict[str, Any]) -> str:
    signed = HEADER + b"." + urlsafe_b64encode(orjson.dumps(claims)).rstrip(b"=")
    return (signed + b"." + signature(signed)).decode()


def signature(signed: bytes) -> bytes:
    return urlsafe_b64encode(hmac.digest(KEY, signed, "sha256")).rstrip(b"=")


def dumps(value: object) -> bytes:
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z)
