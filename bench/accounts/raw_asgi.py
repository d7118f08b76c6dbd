"""Accounts without a framework."""

import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from bench.comparison import TOKEN_KEY
from bench.raw_endpoint import Answer, Receive, Scope, dumps

SELECT_CALLER = (
    "SELECT u.id, u.email, u.full_name, u.role, u.is_active, u.email_verified,"
    " u.created_at, u.updated_at"
    " FROM users u JOIN auth_sessions s ON s.user_id = u.id"
    " WHERE s.id = $1 AND u.id = $2 AND u.is_active AND s.revoked_at IS NULL"
    " AND s.expires_at > $3 AND s.idle_expires_at > $3"
)


async def read_me(pool: asyncpg.Pool, scope: Scope, _: Receive) -> Answer:
    caller = await find_caller(pool, scope)
    return (200, dumps(dict(caller))) if caller else (401, b"")


async def find_caller(pool: asyncpg.Pool, scope: Scope) -> Any:
    token = next(v for n, v in scope["headers"] if n == b"authorization")[7:]
    signed, _, mac = token.rpartition(b".")
    claims = orjson.loads(urlsafe_b64decode(signed.partition(b".")[2] + b"=="))
    if not hmac.compare_digest(mac, signature(signed)) or claims["exp"] < time.time():
        return None
    return await fetch_caller(pool, claims)


async def fetch_caller(pool: asyncpg.Pool, claims: dict[str, Any]) -> Any:
    ids = UUID(claims["sid"]), UUID(claims["sub"])
    return await pool.fetchrow(SELECT_CALLER, *ids, datetime.now(UTC))


def signature(signed: bytes) -> bytes:
    return urlsafe_b64encode(hmac.digest(TOKEN_KEY, signed, "sha256")).rstrip(b"=")


ROUTES = {("GET", "/users/me"): read_me}
