"""The infrastructure that a process opens once, and everything in it shares."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar, cast

from redis.asyncio import Redis
from sqlalchemy import text

from app.core.config import LimitSettings, Settings
from app.core.passwords.hashing import PasswordHasher
from app.core.rate_limit import (
    LARGEST_LOG,
    MemoryRateLimiter,
    NoRateLimiter,
    Policy,
    RateLimiter,
    RedisRateLimiter,
    ResilientRateLimiter,
)
from app.core.rate_limit.client import create_redis_client
from app.core.security import SecretRing
from app.core.settings.limits import Rate
from app.core.tokens.access import AccessTokens
from app.core.tokens.cursor import CursorSigner
from app.core.tokens.signing_keys import SigningKeys
from app.db.session import Database
from app.services.accounts.mail_quota import PER_CLIENT
from app.services.accounts.principal import Authenticator
from app.services.health import HealthMonitor, Probe

AUDIENCE = "api"
DENIED_EVENT = Policy("denied-event", 10, timedelta(minutes=1))

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class AppState:
    """What any resource may use. What one resource shares, it keeps by `single`."""

    settings: Settings
    ring: SecretRing
    database: Database
    redis: Redis | None
    limiter: RateLimiter
    policies: dict[str, Policy]
    hasher: PasswordHasher
    keys: SigningKeys
    access_tokens: AccessTokens
    authenticator: Authenticator
    cursors: CursorSigner
    health: HealthMonitor
    mail_waits: asyncio.Event  # set when a change that queues mail is committed
    _singles: dict[Callable[["AppState"], Any], Any] = field(default_factory=dict)

    def single(self, make: Callable[["AppState"], Made]) -> Made:
        """Return what `make` returned on its first call in this process."""
        if make not in self._singles:
            self._singles[make] = make(self)
        return cast(Made, self._singles[make])


@asynccontextmanager
async def open_state(settings: Settings) -> AsyncGenerator[AppState]:
    """Open everything without waiting: a server that is down may come up later."""
    database = Database(settings)
    redis = create_redis_client(settings.redis_url) if settings.redis_url else None
    hasher = PasswordHasher(
        slots=settings.password_hash_threads, queue=settings.password_hash_queue
    )
    ring = secret_ring(settings)
    keys = signing_keys(settings)
    access_tokens = AccessTokens(
        keys,
        issuer=settings.public_base_url,
        audience=AUDIENCE,
        lifetime=settings.access_token_lifetime,
    )
    health = HealthMonitor(_probes(database, redis), settings.health_probe_seconds)
    try:
        yield AppState(
            settings=settings,
            ring=ring,
            database=database,
            redis=redis,
            limiter=_limiter(settings, redis),
            policies=rate_limit_policies(settings),
            hasher=hasher,
            keys=keys,
            access_tokens=access_tokens,
            authenticator=Authenticator(database.read, access_tokens),
            cursors=CursorSigner(ring),
            health=health,
            mail_waits=asyncio.Event(),
        )
    finally:
        await health.stop()
        hasher.close()
        if redis is not None:
            await redis.aclose()
        await database.close()


def secret_ring(settings: Settings) -> SecretRing:
    previous = settings.secret_key_previous
    return SecretRing(
        settings.secret_key.get_secret_value().encode(),
        previous.get_secret_value().encode() if previous else None,
    )


def signing_keys(settings: Settings) -> SigningKeys:
    """The pairs of the ring or the secret, never both (RFC 8725 §3.1)."""
    if settings.signing_keys is not None:
        return SigningKeys.from_ring(settings.signing_keys.get_secret_value())
    return SigningKeys.from_secret(secret_ring(settings))


def rate_limit_policies(settings: LimitSettings) -> dict[str, Policy]:
    """Map the names that routes use to the limits that are switched on."""
    policies = all_policies(settings)
    return {name: policy for name, policy in policies.items() if policy is not None}


def all_policies(settings: LimitSettings) -> dict[str, Policy | None]:
    requests = settings.rate_limit_requests
    window = timedelta(seconds=settings.rate_limit_window_seconds)
    return {
        "login": Policy("login", requests, window),
        "register": Policy("register", requests, window),
        "refresh": Policy("refresh", requests, window),
        "mail_client": PER_CLIENT,
        "denied-event": DENIED_EVENT,
        "writes": _policy("writes", settings.rate_limit_writes),
        "all": _policy("all", settings.rate_limit_all),
    }


def _policy(name: str, rate: Rate) -> Policy | None:
    if rate is None:
        return None
    limit, seconds = rate
    if limit <= LARGEST_LOG:
        return Policy(name, limit, timedelta(seconds=seconds))
    # A counter of the one kind cannot be read as the other.
    return Policy(f"{name}_gcra", limit, timedelta(seconds=seconds), "gcra")


def _limiter(settings: Settings, redis: Redis | None) -> RateLimiter:
    if not settings.rate_limit_enabled:
        return NoRateLimiter()
    if redis is None:
        return MemoryRateLimiter()
    return ResilientRateLimiter(
        RedisRateLimiter(redis),
        MemoryRateLimiter(),
        processes=settings.rate_limit_expected_instances * settings.web_concurrency,
    )


def _probes(database: Database, redis: Redis | None) -> dict[str, Probe]:
    async def ask_database() -> None:
        async with database.probe.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def ask_redis(client: Redis) -> None:
        await client.ping()

    probes: dict[str, Probe] = {"database": ask_database}
    if redis is not None:
        probes["redis"] = lambda: ask_redis(redis)
    return probes
