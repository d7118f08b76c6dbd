"""Deletes old rows in the background."""

import asyncio
import random
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, inspect, or_, select, tuple_

from app.core.config import Settings
from app.core.errors import explain
from app.core.logging import get_logger
from app.db.base import Base, utc_now
from app.db.models.audit_event import AuditEvent
from app.db.models.auth_session import AuthSession
from app.db.models.one_time_token import OneTimeToken, TokenPurpose
from app.db.models.outbox_mail import OutboxMail
from app.db.models.user import User
from app.db.session import Database, transaction

KEPT = timedelta(days=30)
EVERY = timedelta(hours=1)
BATCH = 1000

log = get_logger(__name__)


def disposable(
    now: datetime, settings: Settings
) -> Iterator[tuple[type[Base], ColumnElement[bool]]]:
    """Yield each table with the condition of the rows to delete."""
    long_ago = now - KEPT
    yield (
        AuthSession,  # `idle_expires_at` is never later than `expires_at`
        or_(AuthSession.revoked_at < long_ago, AuthSession.idle_expires_at < long_ago),
    )
    # Delete also mail that was never sent, because its link has expired.
    yield OutboxMail, OutboxMail.created_at < long_ago
    yield OneTimeToken, OneTimeToken.expires_at < long_ago
    for mapper in Base.registry.mappers:
        if (useless := mapper.class_.useless(now)) is not None:
            yield mapper.class_, useless
    if settings.registration != "open":  # `open` lets unverified accounts log in
        yield User, _never_verified(now - timedelta(settings.unverified_account_days))

    oldest = now - timedelta(days=settings.audit_retention_days)
    yield AuditEvent, AuditEvent.occurred_at < oldest


def _never_verified(before: datetime) -> ColumnElement[bool]:
    """Select accounts whose owner has registered but never used the mailed link.

    The link of a registration stores the password hash of the account. Other links
    store none: the owner of an imported account, or a stranger, has asked for such a
    link. An account with a session stays, because the owner has used the account.
    """
    has_link = exists().where(
        OneTimeToken.user_id == User.id,
        OneTimeToken.purpose == TokenPurpose.VERIFY_EMAIL,
        OneTimeToken.password_hash == User.password_hash,
    )
    was_used = exists().where(AuthSession.user_id == User.id)
    return and_(
        User.email_verified.is_(False), User.created_at < before, has_link, ~was_used
    )


async def purge(database: Database, settings: Settings, batch: int = BATCH) -> None:
    """Delete the rows in short transactions, so that requests do not wait for long."""
    for model, condition in disposable(utc_now(), settings):
        key = inspect(model).primary_key
        rows = select(*key).where(condition).limit(batch)
        statement = (
            delete(model)
            .where(tuple_(*key).in_(rows.with_for_update(skip_locked=True)))
            .returning(*key)
            .execution_options(synchronize_session=False)
        )
        deleted = batch
        while deleted == batch:
            async with transaction(database) as session:
                deleted = len((await session.execute(statement)).all())


@asynccontextmanager
async def purging(
    database: Database, settings: Settings, every: timedelta = EVERY
) -> AsyncGenerator[None]:
    """Purge in the background. Several processes can purge at the same time."""
    task = asyncio.create_task(
        _purge_regularly(database, settings, every), name="purge"
    )
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _purge_regularly(
    database: Database, settings: Settings, every: timedelta
) -> None:
    while True:
        # A random pause keeps the processes from purging at the same time.
        await asyncio.sleep(every.total_seconds() * random.uniform(0, 2))  # noqa: S311
        try:
            await purge(database, settings)
        except Exception as error:  # such as a database that is down or not migrated
            log.warning("retention.postponed", **explain(error))
