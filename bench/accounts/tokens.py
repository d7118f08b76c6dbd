"""Tokens that are as long as those of the application, for the other programs."""

import os
import secrets
import time
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

SCOPE = os.environ["TOKEN_SCOPE"]
LIFETIME = 3600
HEADER = {"alg": "HS256", "kid": "0123456789abcdef", "typ": "at+jwt"}


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
