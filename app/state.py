"""What a process opens once and everything it does shares."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

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
from app.core.tokens.device import DeviceTokens
from app.core.tokens.refresh import RefreshTokens
from app.core.tokens.signing_keys import SigningKeys
from app.db.session import Database
from app.services.accounts.login_throttle import LoginThrottle
from app.services.accounts.mail_quota import PER_CLIENT
from app.services.accounts.principal import Authenticator
from app.services.accounts.users import UserDirectory
from app.services.audit import AuditTrail
from app.services.health import HealthMonitor, Probe
from app.services.products.reads import Catalogue

AUDIENCE = "api"
DENIED_EVENT = Policy("denied-event", 10, timedelta(minutes=1))


@dataclass(frozen=True, slots=True)
class Resources:
    settings: Settings
    ring: SecretRing
    database: Database
    redis: Redis | None
    limiter: RateLimiter
    policies: dict[str, Policy]
    hasher: PasswordHasher
    guard: LoginThrottle
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
    redis = create_redis_client(settings.redis_url) if settings.redis_url else None
    hasher = PasswordHasher(
        slots=settings.password_hash_threads, queue=settings.password_hash_queue
    )
    ring = secret_ring(settings)
    limiter = _limiter(settings, redis)
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
            redis=redis,
            limiter=limiter,
            policies=rate_limit_policies(settings),
            hasher=hasher,
            guard=LoginThrottle(hasher, limiter, settings, ring),
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


def rate_limit_policies(settings: LimitSettings) -> dict[str, Policy]:
    """The limits by the names that routes give them; a `Rate` only when it is set."""
    requests = settings.rate_limit_requests
    window = timedelta(seconds=settings.rate_limit_window_seconds)
    policies = {
        "login": Policy("login", requests, window),
        "register": Policy("register", requests, window),
        "refresh": Policy("refresh", requests, window),
        "mail_client": PER_CLIENT,
        "denied-event": DENIED_EVENT,
        "writes": _policy("writes", settings.rate_limit_writes),
        "all": _policy("all", settings.rate_limit_all),
    }
    return {name: policy for name, policy in policies.items() if policy is not None}


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
