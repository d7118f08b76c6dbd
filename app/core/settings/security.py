"""Keys, tokens and passwords."""

import re
from datetime import timedelta
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from app.core.settings.base import (
    AppSettings,
    Seconds,
    in_production,
    outside_development,
    refuse,
)
from app.core.tokens.signing_keys import SigningKeys

DEVELOPMENT_SECRET_KEY = "development-only-key-that-production-refuses"  # noqa: S105
PLACEHOLDER = re.compile(
    r"change|placeholder|your[-_ ]|todo[-_ ]|example|development-only|passw|secret"
    # Random keys have no word and no repetition.
    r"|insecure|qwert|^(.{1,16})\1+.{0,15}$",
    re.IGNORECASE,
)
# From the tutorial of FastAPI, and from there in many services.
KNOWN_KEYS = {"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"}

BY_ENVIRONMENT: Any = None  # the validator replaces it


class SecuritySettings(AppSettings):
    """Keys, tokens and passwords."""

    secret_key: SecretStr = Field(SecretStr(""), repr=False)
    """Secret of at least 32 random bytes, which `keys generate` prints. Only
    development on SQLite has a default.
    """

    secret_key_previous: SecretStr | None = Field(None, repr=False)
    """The previous SECRET_KEY. Tokens signed with it stay valid while you rotate."""

    algorithm: Literal["HS256"] = "HS256"
    """Algorithm of access tokens if SIGNING_KEYS is not set."""

    signing_keys: SecretStr | None = Field(None, repr=False)
    """Key ring: a JSON list of ES256 or Ed25519 key pairs, with a current and a next
    one. If SIGNING_KEYS is set, the current pair signs access tokens. Otherwise a key
    derived from SECRET_KEY signs them. `keys generate --algorithm ES256` prints a ring.
    """

    access_token_audience: str = Field("api", min_length=1)
    """Audience of access tokens. If several services share SIGNING_KEYS or
    PUBLIC_BASE_URL (the issuer of the tokens), choose a different audience for each
    service. Otherwise one service could accept the tokens of another.
    """

    access_token_expire_minutes: int = Field(10, ge=1, le=60)
    """Minutes that an access token is valid."""

    refresh_token_expire_days: int = Field(14, ge=1, le=90)
    """A session ends this many days after its last refresh."""

    session_max_age_days: int = Field(90, ge=1, le=366)
    """A session ends this many days after its login, even if the user still uses it."""

    refresh_leeway_seconds: Seconds = Field(10, le=60)
    """For this many seconds after the first use of a refresh token, a client can send
    it again, for example because the answer was lost. The service then returns the same
    new token.
    """

    registration: Literal["open", "verified", "closed"] = BY_ENVIRONMENT
    """Who can register: `open` (anyone; for development), `verified` (anyone who
    confirms the e-mail address) or `closed` (administrators create accounts). Default:
    `open` in development, else `verified`.
    """

    # At most 30: the purge finds an unverified account by the link that was mailed to
    # it, and the service keeps an expired link for 30 days.
    unverified_account_days: int = Field(7, ge=1, le=30)
    """Days after which the service deletes a new account whose owner has not
    confirmed the e-mail address. Not used if REGISTRATION is `open`.
    """

    password_min_length: int = Field(12, ge=8, le=64)
    """Smallest number of characters of a new password."""

    password_hash_threads: int = Field(2, ge=1, le=16)
    """Password hashes that a worker computes at the same time; each needs 19 MiB of
    memory. A worker computes at most one for each CPU that it can use.
    """

    password_hash_nice: int = Field(17, ge=0, le=19)
    """Nice value of the threads that compute password hashes, added to the nice value
    of the process. A higher value leaves more of a busy CPU for other requests, and a
    login on a busy CPU takes longer. Only Linux supports this.
    """

    password_hash_queue: int = Field(64, ge=0)
    """Password hashes that can wait in a worker. When this many wait, the next request
    that needs a hash gets a 503.
    """

    @field_validator("registration", mode="before")
    @classmethod
    def _default_registration(cls, mode: object, info: ValidationInfo) -> object:
        """Choose `open` only in development: it reveals which accounts exist."""
        refuse(mode == "open" and in_production(info), "must not be open in production")
        return mode or ("verified" if outside_development(info) else "open")

    @field_validator("secret_key")
    @classmethod
    def _secret_key(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        is_ours = key.get_secret_value() in {"", DEVELOPMENT_SECRET_KEY}
        on_sqlite = info.data.get("database_url", "sqlite").startswith("sqlite")
        if is_ours and on_sqlite and not outside_development(info):
            return SecretStr(DEVELOPMENT_SECRET_KEY)
        refuse(is_ours, "is missing; run `keys generate`")
        return key

    @field_validator("secret_key", "secret_key_previous")
    @classmethod
    def _strong_key(
        cls, key: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        if key is not None and outside_development(info):
            secret = key.get_secret_value()
            refuse(len(secret.encode()) < 32, "must have at least 32 bytes")
            refuse(
                PLACEHOLDER.search(secret) or secret in KNOWN_KEYS,
                "looks like a placeholder; run `keys generate`",
            )
            # Refuse a sequence, and a key of a few letters: there the differences
            # between neighbours have few values. In 32 random hex digits, these
            # differences have about 21 values.
            steps = {after - before for before, after in pairwise(secret.encode())}
            refuse(len(steps) < 8, "is not random; run `keys generate`")
        return key

    @field_validator("signing_keys")
    @classmethod
    def _usable_ring(cls, ring: SecretStr | None) -> SecretStr | None:
        if ring is not None:
            SigningKeys.from_ring(ring.get_secret_value())
        return ring

    @property
    def access_token_lifetime(self) -> timedelta:
        return timedelta(minutes=self.access_token_expire_minutes)

    @property
    def session_idle_lifetime(self) -> timedelta:
        return timedelta(days=self.refresh_token_expire_days)
