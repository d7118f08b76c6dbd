"""Keys, tokens and passwords."""

import re
from datetime import timedelta
from typing import Any, Literal

from pydantic import (
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from app.core.settings.base import (
    AppSettings,
    Seconds,
    in_production,
    refuse,
)
from app.core.tokens.signing_keys import SigningKeys

DEVELOPMENT_SECRET_KEY = "development-only-key-that-production-refuses"  # noqa: S105
PLACEHOLDER = re.compile(
    r"change|placeholder|your[-_ ]|example|development-only|^(?:secret|password)"
    r"|^(.{1,8})\1*$",
    re.IGNORECASE,
)

BY_ENVIRONMENT: Any = None  # the validator knows


class SecuritySettings(AppSettings):
    """Keys, tokens and passwords."""

    secret_key: SecretStr = Field(
        SecretStr(""), description="At least 32 random bytes: `keys generate`."
    )
    secret_key_previous: SecretStr | None = Field(
        None, description="The key before; what it signed stays valid."
    )
    algorithm: Literal["HS256"] = Field(
        "HS256", description="Of access tokens signed with SECRET_KEY."
    )
    signing_keys: SecretStr | None = Field(
        None,
        description="A ring of ES256 or Ed25519 keys, which then sign access tokens "
        "instead: `keys generate --algorithm ES256`.",
    )
    access_token_expire_minutes: int = Field(10, ge=1, le=60)
    refresh_token_expire_days: int = Field(
        14, ge=1, le=90, description="A session unused for so long ends."
    )
    session_max_age_days: int = Field(
        90, ge=1, le=366, description="A session ends at this age even when used."
    )
    refresh_leeway_seconds: Seconds = Field(
        10, le=60, description="A spent refresh token still gets the same successor."
    )
    registration: Literal["open", "verified", "closed"] = Field(
        BY_ENVIRONMENT,
        description="Who may create an account; `open` only in development, "
        "`verified`: nobody logs in before a mailed link was used.",
    )
    password_min_length: int = Field(12, ge=8, le=64)
    password_hash_threads: int = Field(
        2, ge=1, le=16, description="Hashes at a time in a worker; 19 MiB each."
    )
    password_hash_queue: int = Field(
        64, ge=0, description="Hashes that may wait; beyond it 503."
    )

    @field_validator("registration", mode="before")
    @classmethod
    def _default_registration(cls, mode: object, info: ValidationInfo) -> object:
        """In `open` everybody can find out who has an account, by registering."""
        is_development = info.data.get("environment") == "development"
        return mode or ("open" if is_development else "verified")

    @field_validator("secret_key")
    @classmethod
    def _secret_key(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        if not key.get_secret_value() and info.data.get("environment") == "development":
            return SecretStr(DEVELOPMENT_SECRET_KEY)
        refuse(not key.get_secret_value(), "is missing")
        return key

    @field_validator("secret_key", "secret_key_previous")
    @classmethod
    def _strong_key(
        cls, key: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        if key is not None and in_production(info):
            secret = key.get_secret_value()
            refuse(len(secret.encode()) < 32, "must have at least 32 bytes")
            refuse(PLACEHOLDER.search(secret), "is a placeholder, not a random key")
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
