"""What a process opens once and everything it does shares."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from app.core.config import Settings
from app.core.passwords.hashing import PasswordHasher
from app.core.rate_limit import (
    MemoryRateLimiter,
    NoRateLimiter,
    Policy,
    RateLimiter,
)
from app.core.rate_limit.policies import policies
from app.core.security import SecretRing
from app.core.tokens.access import AccessTokens
from app.core.tokens.cursor import CursorSigner
from app.core.tokens.device import DeviceTokens
from app.core.tokens.refresh import RefreshTokens
from app.core.tokens.signing_keys import SigningKeys
from app.db.session import Database
from app.services.accounts.login_throttle import PasswordGuard
from app.services.accounts.principal import Authenticator
from app.services.accounts.users import UserDirectory
from app.services.audit import AuditTrail
from app.services.health import HealthMonitor, Probe
from app.services.products.reads import Catalogue

if TYPE_CHECKING:
    from redis.asyncio import Redis

AUDIENCE = "api"


@dataclass(frozen=True, slots=True)
class Resources:
    settings: Settings
    ring: SecretRing
    database: Database
    limiter: RateLimiter
    policies: dict[str, Policy]
    hasher: PasswordHasher
    guard: PasswordGuard
    devices: DeviceTokens
    keys: SigningKeys
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    authenticator: Authenticator
    catalogue: Catalogue
    users: UserDirectory
    audit: AuditTrail
    cursors: CursorSigner
    health: HealthMonitor
    imports: asyncio.Lock
    exports: asyncio.Semaphore
    mail_waits: asyncio.Event  # set when a change that owes mail is committed


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncGenerator[Resources]:
    """Open everything without waiting for it: what is down may come up later."""
    database = Database(settings)
    redis = _redis(settings)
    hasher = PasswordHasher(
        slots=settings.password_hash_threads, queue=settings.password_hash_queue
    )
    ring = secret_ring(settings)
    limiter = _limiter(settings, redis)
    limits = policies(settings)
    keys = signing_keys(settings)
    access_tokens = AccessTokens(
        keys,
        issuer=settings.public_base_url,
        audience=AUDIENCE,
        lifetime=settings.access_token_lifetime,
    )
    cursors = CursorSigner(ring)
    health = HealthMonitor(_probes(database, redis), settings.health_probe_seconds)
    try:
        yield Resources(
            settings=settings,
            ring=ring,
            database=database,
            limiter=limiter,
            policies=limits,
            hasher=hasher,
            guard=PasswordGuard(hasher, limiter, limits, ring),
            devices=DeviceTokens(ring),
            keys=keys,
            access_tokens=access_tokens,
            refresh_tokens=RefreshTokens(ring),
            authenticator=Authenticator(database.read, access_tokens),
            catalogue=Catalogue(database.replica, cursors),
            users=UserDirectory(database.replica, cursors),
            audit=AuditTrail(database.replica, cursors),
            cursors=cursors,
            health=health,
            imports=asyncio.Lock(),
            # Clients may read slowly: half of the connections are for everybody else.
            exports=asyncio.Semaphore(max(1, settings.db_pool_size // 2)),
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


def _redis(settings: Settings) -> "Redis | None":
    if not settings.redis_url:
        return None
    # Imported here, because a service without Redis must not pay for the library.
    from app.core.rate_limit.client import create_redis_client

    return create_redis_client(settings.redis_url)


def _limiter(settings: Settings, redis: "Redis | None") -> RateLimiter:
    if not settings.rate_limit_enabled:
        return NoRateLimiter()
    if redis is None:
        return MemoryRateLimiter()
    from app.core.rate_limit.redis import RedisRateLimiter
    from app.core.rate_limit.resilient import ResilientRateLimiter

    return ResilientRateLimiter(
        RedisRateLimiter(redis),
        MemoryRateLimiter(),
        processes=settings.rate_limit_expected_instances * settings.web_concurrency,
    )


def _probes(database: Database, redis: "Redis | None") -> dict[str, Probe]:
    async def ask_database() -> None:
        async with database.probe.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def ask_redis(client: "Redis") -> None:
        await client.ping()

    probes: dict[str, Probe] = {"database": ask_database}
    if redis is not None:
        probes["redis"] = lambda: ask_redis(redis)
    return probes
