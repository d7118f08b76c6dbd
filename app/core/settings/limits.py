"""How much a client may ask for."""

from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from app.core.settings.base import AppSettings, in_production, refuse


def split_rate(value: object) -> object:
    """Read `requests/seconds`."""
    if not isinstance(value, str):
        return value
    requests, _, seconds = value.partition("/")
    numbers = requests.strip(), seconds.strip()
    known = all(n.isascii() and n.isdigit() and 0 < int(n) <= 10**6 for n in numbers)
    refuse(value.strip() and not known, "must be requests/seconds, such as 600/60")
    return tuple(map(int, numbers)) if known else None


Rate = Annotated[tuple[int, int] | None, NoDecode, BeforeValidator(split_rate)]


class LimitSettings(AppSettings):
    """How much a client may ask for."""

    redis_url: str = Field(
        "",
        repr=False,
        description="redis://…; without it each process counts for itself.",
    )
    rate_limit_enabled: bool = Field(
        True, description="Off switches every limit off; refused in production."
    )
    rate_limit_requests: int = Field(
        100, ge=1, le=1000, description="Per address: login, register, refresh."
    )
    rate_limit_window_seconds: int = Field(60, ge=1, le=86_400)
    login_failures_per_ip: int = Field(
        20, ge=1, le=1000, description="Wrong passwords of an address in a window."
    )
    login_failures_per_account: int = Field(
        10,
        ge=1,
        le=200,
        description="Wrong passwords for an account in a window, from strangers "
        "together and from each known device; strangers: five times that a day.",
    )
    login_failures_window_seconds: int = Field(900, ge=1, le=86_400)
    rate_limit_writes: Rate = Field(
        None,
        description="POST, PATCH and DELETE of each account, or of each address "
        "without one, as `requests/seconds`, such as 600/60; empty: no limit.",
    )
    rate_limit_all: Rate = Field(
        None,
        description="Every request of each address, likewise, such as 6000/60.",
    )
    rate_limit_expected_instances: int = Field(
        1,
        ge=1,
        le=1000,
        description="Instances in all, of WEB_CONCURRENCY workers each: a worker "
        "allows its share while Redis is away.",
    )
    max_body_bytes: int = Field(
        65_536, ge=1024, description="The largest request body, in bytes."
    )

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, url: str) -> str:
        known = url.startswith(("redis://", "rediss://", "unix://"))
        refuse(url and not known, "must start with redis://, rediss:// or unix://")
        return url

    @field_validator("rate_limit_enabled")
    @classmethod
    def _limits_on(cls, enabled: bool, info: ValidationInfo) -> bool:
        refuse(not enabled and in_production(info), "must not be off in production")
        return enabled
