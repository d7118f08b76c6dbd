"""Updates metrics that must be read regularly, such as the state of a pool."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core import metrics
from app.core.errors import AppError
from app.db.base import utc_now
from app.db.direct import Direct
from app.db.models.outbox_mail import OutboxMail
from app.db.session import Database
from app.identity import VERSION
from app.services.audit import last
from app.services.mail.outbox import IS_PENDING, OLDEST

EVERY_SECONDS = 0.5
COUNT = func.count(OutboxMail.id)
STORED = select(
    COUNT.label("mails"),
    OLDEST.label("oldest"),
    last("backup.made").label("made"),
    last("backup.verified").label("verified"),
).where(*IS_PENDING)


@dataclass(frozen=True)
class Sampler:
    """Reads the state of this process. `healthy` has the results of the probes."""

    database: Database
    environment: str
    healthy: Mapping[str, bool | None]
    queued_passwords: Callable[[], int] = lambda: 0  # the default: no hashing

    def sample(self) -> None:
        metrics.process.sample()
        metrics.app_info.labels(VERSION, self.environment).set(1)
        metrics.hash_queue.set(self.queued_passwords())
        for name, healthy in self.healthy.items():
            metrics.dependency_up.labels(name).set(healthy or 0)
        metrics.schema_match.set(self.healthy.get("schema") or 0)
        database = self.database
        _sample_pool("writer", database.writer, database.direct)
        _sample_pool("reader", database.reader, database.read.direct)
        if database.replica is not database.read:
            replica = database.replica
            _sample_pool("replica", replica.engine, replica.direct)

    async def scrape(self) -> bytes:
        """Return the metrics of all workers, with fresh values from the database."""
        self.sample()
        # Keep the last values if the database is down or lacks a table.
        with suppress(AppError, DBAPIError):
            [row] = await self.database.read.all(STORED, {})
            age = (utc_now() - row.oldest).total_seconds() if row.oldest else 0
            metrics.outbox_pending.set(row.mails)
            metrics.outbox_age.set(age)
            metrics.backup_made.set(row.made.timestamp() if row.made else 0)
            metrics.backup_verified.set(row.verified.timestamp() if row.verified else 0)
        return await asyncio.to_thread(metrics.render)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Sample until the block ends, so that every worker can report the values."""
        task = asyncio.create_task(self._run(), name="metrics")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self.sample()
            due = loop.time() + EVERY_SECONDS
            await asyncio.sleep(EVERY_SECONDS)
            metrics.loop_lag.observe(max(0.0, loop.time() - due))


def _sample_pool(name: str, engine: AsyncEngine, direct: Direct | None) -> None:
    pool: Any = engine.sync_engine.pool
    kept, waiting = (direct.idle, direct.waiting) if direct else (0, 0)
    used = pool.checkedout() - kept
    metrics.connections.labels(name, "used").set(used)
    metrics.connections.labels(name, "idle").set(pool.checkedin() + kept)
    metrics.connections_max.labels(name).set(pool.size() + max(0, pool._max_overflow))
    # Callers that wait in the pool of SQLAlchemy count as well.
    getters = getattr(pool._pool._queue, "_getters", ())
    metrics.connections_pending.labels(name).set(waiting + len(getters))
