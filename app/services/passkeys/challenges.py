"""Challenges for authenticators. A signed challenge is accepted once."""

import base64
import hashlib
import secrets
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import Row, delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.base import utc_now
from app.db.models.passkey import Ceremony, PasskeyChallenge
from app.services.passkeys.verification import Unproven

LIFETIME = timedelta(minutes=5)
MILLISECONDS = LIFETIME // timedelta(milliseconds=1)
CHALLENGE = PasskeyChallenge.__table__.c


def issue(
    session: AsyncSession,
    ceremony: Ceremony,
    holder: bytes = b"",
    user_handle: bytes | None = None,
) -> bytes:
    """Make a challenge that is bound to `holder`, a session or a pending login."""
    challenge = secrets.token_bytes(32)
    session.add(
        PasskeyChallenge(
            challenge=challenge,
            ceremony=ceremony,
            bound_to=hashlib.sha256(holder).digest(),
            user_handle=user_handle,
            expires_at=utc_now() + LIFETIME,
        )
    )
    return challenge


async def redeem(
    session: AsyncSession, challenge: bytes, ceremony: Ceremony, holder: bytes = b""
) -> Row[Any] | None:
    """Use up a challenge. Return None if it is unknown, expired or already used."""
    used = (
        delete(PasskeyChallenge)
        .where(
            CHALLENGE.challenge == challenge,
            CHALLENGE.ceremony == ceremony,
            CHALLENGE.bound_to == hashlib.sha256(holder).digest(),
            CHALLENGE.expires_at > utc_now(),
        )
        .returning(CHALLENGE.user_handle)
    )
    return (await session.execute(used)).one_or_none()


def challenge_in(client_data: str) -> bytes:
    """Read the challenge that the authenticator says it has signed.

    Raises:
        Unproven: The client data is malformed, or from a frame of another site.
    """
    try:
        content = orjson.loads(decode(client_data))
        challenge = decode(content["challenge"])
        in_foreign_frame = content.get("crossOrigin", False) is not False
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise Unproven("client_data") from error
    if in_foreign_frame:
        raise Unproven("cross_origin")
    return challenge


def encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Decode base64url without padding. Raises `ValueError`."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
