"""Settings, read once from the environment or `.env`; the only module that does.

Each group is what one part of the application needs to know; `Settings` is all of
them under the flat names of the environment. A validator refuses what would be
dangerous in production, so that every offender is reported in one message.
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from email.utils import parseaddr
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.keys import SigningKeys

DEVELOPMENT_DATABASE_URL = "sqlite+aiosqlite:///var/app.db"
DEVELOPMENT_SECRET_KEY = "development-only-key-that-production-refuses"  # noqa: S105
PLACEHOLDER = re.compile(
    r"change|placeholder|your[-_ ]|example|development-only|^(?:secret|password)"
    r"|^(.{1,8})\1*$",
    re.IGNORECASE,
)
ASYNC_DRIVERS = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "sqlite": "sqlite+aiosqlite",
}


def split_commas(value: object) -> object:
    """Read `a, b` and the JSON form `["a", "b"]` alike."""
    if not isinstance(value, str):
        return value
    parts = (part.strip(" \"'") for part in value.strip(" []").split(","))
    return [part for part in parts if part]


def split_rate(value: object) -> object:
    """Read `requests/seconds`."""
    if not isinstance(value, str):
        return value
    requests, _, seconds = value.partition("/")
    numbers = requests.strip(), seconds.strip()
    known = all(n.isascii() and n.isdigit() and 0 < int(n) <= 10**6 for n in numbers)
    refuse(value.strip() and not known, "must be requests/seconds, such as 600/60")
    return tuple(map(int, numbers)) if known else None


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas)]
Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(split_commas)
]
Rate = Annotated[tuple[int, int] | None, NoDecode, BeforeValidator(split_rate)]
Seconds = Annotated[float, Field(ge=0)]
PositiveSeconds = Annotated[float, Field(gt=0)]


def in_production(info: ValidationInfo) -> bool:
    """Whether to be strict: also when the environment itself could not be read."""
    return bool(info.data.get("environment", "production") == "production")


def refuse(condition: object, reason: str) -> None:
    if condition:
        raise ValueError(reason)


def default_registration(earlier: dict[str, Any]) -> Literal["open", "verified"]:
    """In `open` everybody can find out who has an account, by registering."""
    return "open" if earlier.get("environment") == "development" else "verified"


class AppSettings(BaseModel):
    """What this deployment is."""

    environment: Literal["development", "staging", "production"] = Field(
        "development", description="Production refuses unsafe settings and hides docs."
    )
    app_name: str = Field("Nightproof", description="Shown in the API documentation.")
    debug: bool = Field(False, description="Log SQL; refused in production.")
    api_v1_prefix: str = Field(
        "/api/v1", pattern=r"^(/[A-Za-z0-9._~-]+)+$", description="Path of the API."
    )
    public_base_url: str = Field(
        "http://127.0.0.1:8000",
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        description="Where clients reach the service: token issuer, links in mails.",
    )

    @field_validator("debug")
    @classmethod
    def _no_debug(cls, debug: bool, info: ValidationInfo) -> bool:
        refuse(debug and in_production(info), "must be off in production")
        return debug

    @property
    def is_production(self) -> bool:
        return self.environment == "production"


class DatabaseSettings(AppSettings):
    """How to reach the database."""

    database_url: str = Field(
        "",
        repr=False,
        description="postgresql://… or sqlite:///…; development: var/app.db.",
    )
    database_replica_url: str = Field(
        "", repr=False, description="A read replica for GETs; PostgreSQL only."
    )
    db_pool_size: int = Field(
        5, ge=1, le=200, description="Connections that a worker keeps."
    )
    db_max_overflow: int = Field(0, ge=0, le=200, description="Connections beyond it.")
    db_pool_timeout_seconds: PositiveSeconds = Field(
        1.0, description="Wait for a free connection, then 503."
    )
    db_connect_timeout_seconds: PositiveSeconds = Field(
        2.0, description="Wait for a new connection, then 503."
    )
    db_pooler: Literal["none", "pgbouncer"] = Field(
        "none", description="`pgbouncer` when one in transaction mode is in between."
    )

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, url: str, info: ValidationInfo) -> str:
        refuse(not url and in_production(info), "is missing")
        return with_async_driver(url or DEVELOPMENT_DATABASE_URL)

    @field_validator("database_replica_url")
    @classmethod
    def _replica_url(cls, url: str) -> str:
        refuse(url and not url.startswith("postgres"), "must be a PostgreSQL URL")
        return with_async_driver(url) if url else url


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
        default_factory=default_registration,
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
        description="Workers in all; each allows its share while Redis is away.",
    )
    max_body_bytes: int = Field(65_536, ge=1024)
    import_max_body_bytes: int = Field(
        2**30, ge=1024, description="As MAX_BODY_BYTES, for a file of products."
    )
    import_timeout_seconds: PositiveSeconds = Field(
        600, description="As REQUEST_DEADLINE_SECONDS, for a file of products."
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


class HTTPSettings(AppSettings):
    """The edge: who may call from where."""

    cors_allowed_origins: Names = Field(
        (), description="Exact origins of browser clients, comma-separated."
    )
    allowed_hosts: Names = Field(
        ("*",), description="Host names served; *.example.com for subdomains."
    )
    trusted_proxies: Networks = Field(
        (), description="Networks whose X-Forwarded-For and -Proto are believed."
    )
    gzip_minimum_bytes: int = Field(
        1024, ge=0, description="Compress larger answers; 0 switches it off."
    )

    @field_validator("cors_allowed_origins")
    @classmethod
    def _exact_origins(
        cls, origins: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        for origin in origins:
            url = urlsplit(origin)
            exact = url.scheme in {"http", "https"} and origin == (
                f"{url.scheme}://{url.netloc}"
            )
            refuse(not exact, "must list exact origins such as https://app.example.com")
            refuse(
                url.scheme == "http" and in_production(info),
                "must list https origins only in production",
            )
        return origins

    @field_validator("allowed_hosts")
    @classmethod
    def _named_hosts(
        cls, hosts: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        open_to_all = not hosts or "*" in hosts
        refuse(open_to_all and in_production(info), "must name the hosts in production")
        return hosts

    @field_validator("trusted_proxies")
    @classmethod
    def _not_everyone(
        cls, networks: tuple[IPv4Network | IPv6Network, ...]
    ) -> tuple[IPv4Network | IPv6Network, ...]:
        refuse(any(n.prefixlen == 0 for n in networks), "must not trust every address")
        return networks


class MailSettings(AppSettings):
    """How mail leaves."""

    smtp_url: str = Field(
        "",
        repr=False,
        description="smtps://user:password@host, smtp+starttls://… or smtp://…; "
        "in development mail is kept in MAIL_DIRECTORY without it.",
    )
    mail_from: str = Field(
        "no-reply@localhost", description="Sender: an address, or Name <address>."
    )
    mail_directory: Path = Field(
        Path("var/mail"), description="Where development keeps mail as .eml files."
    )
    outbox_in_process: bool | None = Field(
        None,
        description="Deliver mail from the web process, without `worker`; "
        "default: only in development.",
    )
    outbox_poll_seconds: PositiveSeconds = Field(
        1.0, description="How often a worker looks for mail of other processes."
    )
    outbox_lease_seconds: float = Field(
        60, ge=1, description="Mail taken by a worker that died is free again."
    )

    @field_validator("smtp_url")
    @classmethod
    def _smtp_url(cls, url: str, info: ValidationInfo) -> str:
        parts = urlsplit(url)
        known = parts.scheme in {"smtp", "smtp+starttls", "smtps"} and parts.hostname
        refuse(url and not known, "must start with smtp, smtp+starttls or smtps://host")
        refuse(
            parts.scheme == "smtp" and parts.password and in_production(info),
            "must not send its password in plain text: use smtp+starttls:// or smtps://",
        )
        return url

    @field_validator("mail_from")
    @classmethod
    def _mail_from(cls, sender: str) -> str:
        _, address = parseaddr(sender)
        refuse("@" not in address or not sender.isprintable(), "is not an address")
        return sender

    @property
    def delivers_mail_in_process(self) -> bool:
        if self.outbox_in_process is None:
            return self.environment == "development"
        return self.outbox_in_process


class OperationSettings(AppSettings):
    """Logs, health and lifecycle."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] | None = Field(
        None, description="Default: console in development, else json."
    )
    readiness_critical: Names = Field(
        ("database",), description="Checks whose failure makes readiness 503."
    )
    health_probe_seconds: PositiveSeconds = Field(
        2.0, description="How often dependencies are probed in the background."
    )
    request_deadline_seconds: PositiveSeconds = Field(
        10, description="A request that takes longer is answered 504."
    )
    graceful_timeout_seconds: PositiveSeconds = Field(
        30, description="How long a stopping worker may finish its requests."
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, level: object) -> object:
        return level.lower() if isinstance(level, str) else level

    @field_validator("readiness_critical")
    @classmethod
    def _known_checks(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        refuse(set(names) - {"database", "redis"}, "knows only `database` and `redis`")
        return names

    @field_validator("request_deadline_seconds")
    @classmethod
    def _outlasts_the_pool(cls, deadline: float, info: ValidationInfo) -> float:
        inner = ("db_pool_timeout_seconds", "db_connect_timeout_seconds")
        refuse(
            any(info.data.get(name, 0) >= deadline for name in inner),
            "must be longer than " + " and ".join(name.upper() for name in inner),
        )
        return deadline

    @field_validator("graceful_timeout_seconds")
    @classmethod
    def _outlasts_requests(cls, timeout: float, info: ValidationInfo) -> float:
        refuse(
            info.data.get("request_deadline_seconds", 0) >= timeout,
            "must be longer than REQUEST_DEADLINE_SECONDS",
        )
        return timeout


class Settings(
    OperationSettings,
    MailSettings,
    HTTPSettings,
    LimitSettings,
    SecuritySettings,
    DatabaseSettings,
    BaseSettings,
):
    """Everything, immutable; bases are validated from the last to the first."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,
    )

    @property
    def logs_json(self) -> bool:
        return (self.log_format or self.environment) not in {"console", "development"}


def with_async_driver(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    driver = ASYNC_DRIVERS.get(scheme, scheme)
    known = driver.startswith("postgresql+") or driver == "sqlite+aiosqlite"
    refuse(not separator or not known, "must start with postgresql:// or sqlite:///")
    memory = driver.startswith("sqlite") and rest.strip("/") in {"", ":memory:"}
    refuse(memory, "must name a database file")
    return f"{driver}://{rest}"


class ConfigurationError(Exception):
    """The settings cannot be used; says which and why, and shows no value."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"These settings need attention:{lines}")


@lru_cache
def get_settings() -> Settings:
    """Raises `ConfigurationError` with every problem at once."""
    try:
        return Settings()
    except ValidationError as error:
        problems = (
            f"{str(e['loc'][0]).upper()} {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(problems) from None
