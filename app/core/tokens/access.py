"""Access tokens: short-lived signed JWTs that name the caller (RFC 9068)."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict
from uuid_utils.compat import uuid7

from app.core import strict_json
from app.core.errors import Unauthorized
from app.core.tokens.signing_keys import SigningKey, SigningKeys

MAX_LENGTH = 4096
REMEMBERED = 2048  # tokens
EXPIRY_LEEWAY = timedelta(seconds=5)
CLOCK_SKEW = timedelta(seconds=30)  # how far the clocks of two instances may differ
CLIENT_ID = "first-party"  # RFC 9068 §2.2 requires one; there is only one client

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TYPE = "at+jwt"
_CHALLENGE = 'Bearer realm="api", error="invalid_token"'  # RFC 6750 §3.1


class InvalidAccessToken(Unauthorized):
    """The token is malformed, expired or revoked, or is refused for another reason."""

    code = "invalid_token"
    # The same for every reason. Only the log says the reason.
    detail = "The access token is not valid. Refresh it or log in again."
    headers = MappingProxyType({"WWW-Authenticate": _CHALLENGE})

    def __init__(self, reason: str = "session") -> None:
        super().__init__()
        self.reason = reason


def _instant(value: object) -> datetime:
    # RFC 7519 allows any number, but this service writes only integers.
    if type(value) is not int:
        raise ValueError("not a whole number of seconds")
    return datetime.fromtimestamp(value, UTC)


Instant = Annotated[datetime, BeforeValidator(_instant)]


class AccessClaims(BaseModel):
    """The claims of a verified token. The role is in the database, not in the token."""

    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)

    iss: str
    aud: str | tuple[str, ...]
    sub: UUID
    sid: UUID
    jti: UUID
    client_id: str
    scope: str
    iat: Instant
    exp: Instant
    nbf: Instant | None = None
    auth_time: Instant
    amr: tuple[str, ...]
    acr: str


class _Refused(Exception):
    """Carries the reason to the log."""


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Signs tokens with the current key. Accepts a token if its key has not expired.

    It remembers the claims of each token whose signature was right, because the token
    cannot change. It checks each time whether the token is still valid.
    """

    keys: SigningKeys
    issuer: str
    audience: str
    lifetime: timedelta
    _remembered: Callable[[str], tuple[SigningKey, AccessClaims]] = field(init=False)

    def __post_init__(self) -> None:
        # `lru_cache` does not keep errors, so a wrong signature is never remembered.
        remembered = lru_cache(maxsize=REMEMBERED)(self._read)
        object.__setattr__(self, "_remembered", remembered)

    def issue(
        self,
        user_id: UUID,
        session_id: UUID,
        scope: str,
        auth_time: datetime,
        amr: Sequence[str] = ("pwd",),
        acr: str = "aal1",
    ) -> str:
        key = self.keys.current
        issued_at = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": str(user_id),  # asyncpg has a UUID class of its own
            "sid": str(session_id),
            "jti": str(uuid7()),
            "client_id": CLIENT_ID,
            "scope": scope,
            "iat": issued_at,
            "exp": issued_at + int(self.lifetime.total_seconds()),
            "auth_time": int(auth_time.timestamp()),
            "amr": amr,
            "acr": acr,
        }
        header = {"alg": key.algorithm, "kid": key.kid, "typ": _TYPE}
        text = f"{_encode(orjson.dumps(header))}.{_encode(orjson.dumps(claims))}"
        return f"{text}.{_encode(key.sign(text.encode()))}"

    def verify(self, token: str) -> AccessClaims:
        """Read a token from an unknown sender. Raises only `InvalidAccessToken`."""
        try:
            key, claims = self._remembered(token)
            if key.expired:
                raise _Refused("kid")
            self._check(claims)
        except Exception as error:
            reason = str(error) if isinstance(error, _Refused) else type(error).__name__
            raise InvalidAccessToken(reason) from None
        return claims

    def _read(self, token: str) -> tuple[SigningKey, AccessClaims]:
        if len(token) > MAX_LENGTH or not _COMPACT.fullmatch(token):
            raise _Refused("shape")
        text, _, _ = token.rpartition(".")
        header, payload, signature = map(_decode, token.split("."))
        key = self._key(orjson.loads(header))
        if not key.verifies(text.encode(), signature):
            raise _Refused("signature")
        _refuse_repeated_members(header)
        _refuse_repeated_members(payload)
        return key, AccessClaims.model_validate_json(payload)

    def _key(self, header: dict[str, Any]) -> SigningKey:
        """Find the key that the header names. Refuse unknown members (RFC 8725 §3)."""
        if header.keys() != {"alg", "kid", "typ"}:
            raise _Refused("header")
        if header["typ"].lower().removeprefix("application/") != _TYPE:
            raise _Refused("typ")
        key = self.keys.find(header["kid"])
        if key is None:
            raise _Refused("kid")
        if header["alg"] != key.algorithm:
            raise _Refused("alg")
        return key

    def _check(self, claims: AccessClaims) -> None:
        now = datetime.now(UTC)
        audiences = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
        if claims.iss != self.issuer:
            raise _Refused("iss")
        if self.audience not in audiences:
            raise _Refused("aud")
        if claims.exp <= now - EXPIRY_LEEWAY:
            raise _Refused("expired")
        begins = max(claims.iat, claims.nbf or claims.iat, claims.auth_time)
        if begins > now + CLOCK_SKEW:
            raise _Refused("not yet valid")
        if claims.exp - claims.iat > self.lifetime:
            raise _Refused("lifetime")


def _encode(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(segment: str) -> bytes:
    """Read base64url. Refuse any other encoding of the same bytes (RFC 4648 §3.5)."""
    content = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if _encode(content) != segment:
        raise _Refused("shape")
    return content


def _refuse_repeated_members(text: bytes) -> None:
    """Refuse `{"sub": 1, "sub": 2}`: orjson and pydantic read 2, other readers 1."""
    # orjson wrote the tokens of this service. If orjson reads a token and writes it
    # again, the bytes are the same. They differ if a member was repeated, because
    # orjson keeps only its last value. Then use the strict reader, which is slower.
    if orjson.dumps(orjson.loads(text)) != text:
        strict_json.parse(text)
