"""The infrastructure that a process opens once and all its code shares."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import text

from app.bearers import BEARERS
from app.core.config import Settings
from app.core.passwords.hashing import PasswordHasher
from app.core.rate_limit.memory import MemoryRateLimiter
from app.core.rate_limit.policies import policies
from app.core.rate_limit.policy import NoRateLimiter, Policy, RateLimiter
from app.core.security import SecretRing
from app.core.tokens.access import AccessTokens
from app.core.tokens.cursor import CursorSigner
from app.core.tokens.signing_keys import SigningKeys
from app.db.revisions import IN_DATABASE, OWN, RELEASED, Revisions
from app.db.session import Database
from app.services.accounts.principal import Authenticator
from app.services.accounts.required_factor import RequiredFactor
from app.services.health import HealthMonitor, Probe

if TYPE_CHECKING:
    from redis.asyncio import Redis

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class AppState:
    """Holds the objects that all resources share.

    `single` makes and keeps an object for which there is no field here.
    """

    settings: Settings
    ring: SecretRing
    database: Database
    limiter: RateLimiter
    policies: dict[str, Policy]
    hasher: PasswordHasher
    keys: SigningKeys
    access_tokens: AccessTokens
    authenticator: Authenticator
    cursors: CursorSigner
    health: HealthMonitor
    mail_waits: asyncio.Event  # set when a transaction that queued mail commits
    _singles: dict[Callable[["AppState"], Any], Any] = field(default_factory=dict)

    def single(self, make: Callable[["AppState"], Made]) -> Made:
        """Call `make` once in this process, and return its result to every caller."""
        if make not in self._singles:
            self._singles[make] = make(self)
        return cast(Made, self._singles[make])


@asynccontextmanager
async def open_state(settings: Settings) -> AsyncGenerator[AppState]:
    """Open everything. Connections are made later.

    The service can therefore start before PostgreSQL and Redis do.
    """
    database = Database(settings)
    redis = _redis(settings)
    hasher = PasswordHasher(
        # More threads than CPUs would not be faster: they would only remove each
        # other's data from the caches of the CPUs.
        slots=min(settings.password_hash_threads, len(os.sched_getaffinity(0))),
        queue=settings.password_hash_queue,
        nice=settings.password_hash_nice,
    )
    ring = secret_ring(settings)
    keys = signing_keys(settings)
    access_tokens = AccessTokens(
        keys,
        issuer=settings.public_base_url,
        audience=settings.access_token_audience,
        lifetime=settings.access_token_lifetime,
    )
    health = HealthMonitor(_probes(database, redis), settings.health_probe_seconds)
    try:
        yield AppState(
            settings=settings,
            ring=ring,
            database=database,
            limiter=_limiter(settings, redis),
            policies=policies(settings),
            hasher=hasher,
            keys=keys,
            access_tokens=access_tokens,
            authenticator=Authenticator(
                database.read,
                access_tokens,
                {
                    prefix: partial(kind.find_caller, database)
                    for prefix, kind in BEARERS.items()
                },
                RequiredFactor(settings.mfa_required_roles, settings.mfa_grace),
            ),
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
    """Use the key pairs of SIGNING_KEYS, or without them the secret.

    Never use both, so that all tokens have one algorithm (RFC 8725 §3.1).
    """
    if settings.signing_keys is not None:
        return SigningKeys.from_ring(settings.signing_keys.get_secret_value())
    return SigningKeys.from_secret(secret_ring(settings))


def _redis(settings: Settings) -> "Redis | None":
    if not settings.redis_url:
        return None
    # Imported here, because a service without Redis must not load the library.
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
    # Run one probe at a time, because the pool has only one connection. If an attempt
    # to connect fails, the pool does not wake a probe that waits for the connection.
    turn = asyncio.Lock()

    async def ask_database() -> None:
        async with turn, database.probe.connect() as connection:
            await connection.execute(text("SELECT 1"))

    revisions = Revisions(RELEASED, OWN)

    async def ask_schema() -> None:
        async with turn, database.probe.connect() as connection:
            revisions.check(set(await connection.scalars(IN_DATABASE)))

    probes: dict[str, Probe] = {"database": ask_database, "schema": ask_schema}
    if redis is not None:
        probes["redis"] = redis.ping
    return probes
