"""What the comparison programs share: settings, and tokens as long as the real ones."""

import os
import secrets
import time
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

DATABASE_URL = os.environ["DATABASE_URL"]
DB_POOL_SIZE = int(os.environ["DB_POOL_SIZE"])
SECRET_KEY = os.environ["SECRET_KEY"]
PREFIX = "/api/v1"
LIFETIME = 3600

SCOPE = "account:read account:write audit:read products:write users:read users:write"
TOKEN_HEADER = {"alg": "HS256", "kid": "0123456789abcdef", "typ": "at+jwt"}


def token_claims(user_id: UUID, session_id: UUID) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": "http://127.0.0.1:8000",
        "aud": "api",
        "sub": str(user_id),
        "sid": str(session_id),
        "jti": str(uuid7()),
        "client_id": "first-party",
        "scope": SCOPE,
        "iat": now,
        "exp": now + LIFETIME,
        "auth_time": now,
        "amr": ["pwd"],
        "acr": "aal1",
    }


def refresh_token() -> str:
    return "app_rt_" + secrets.token_hex(29)
