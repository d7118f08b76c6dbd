"""The queue of mails. A mail is committed together with the change that it reports."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.request_context import current_request
from app.db.base import utc_now
from app.db.models.outbox_mail import OutboxMail
from app.db.session import AFTER_COMMIT

IS_PENDING = (OutboxMail.sent_at.is_(None), OutboxMail.dead_at.is_(None))
OLDEST = func.min(OutboxMail.created_at, type_=OutboxMail.created_at.type)


@dataclass(frozen=True, slots=True)
class Outbox:
    """Queues mail in the caller's transaction. A rollback removes the mail, too."""

    session: AsyncSession
    wake: Callable[[], None] = lambda: None  # the default: no mail worker

    async def add(
        self,
        template: str,
        recipient: str | None,
        *,
        expires_at: datetime | None = None,
        **context: str,
    ) -> None:
        """Queue a mail. It is not sent after `expires_at`.

        With `recipient=None`, the service stores the mail but never sends it, so that
        timing does not reveal whether the account exists.
        """
        mail = OutboxMail(
            template=template,
            recipient=recipient,
            context=context,
            expires_at=expires_at,
            due_at=utc_now(),
        )
        self.session.add(mail)
        await self.session.flush()
        if request := current_request():
            request.log_fields.setdefault("mails", []).append(str(mail.id))
        self.session.info.setdefault(AFTER_COMMIT, set()).add(self.wake)


async def claim(session: AsyncSession, lease: timedelta) -> OutboxMail | None:
    """Take the mail that is due longest. Other workers skip it until the lease ends."""
    now = utc_now()
    longest_due = (
        select(OutboxMail.id)
        .where(*IS_PENDING, OutboxMail.due_at <= now)
        .order_by(OutboxMail.due_at)
        .limit(1)
        # SQLite has no row locks. It needs none, because it has only one writer.
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    mail: OutboxMail | None = await session.scalar(
        update(OutboxMail)
        .where(OutboxMail.id == longest_due)
        .values(due_at=now + lease, attempts=OutboxMail.attempts + 1, updated_at=now)
        .returning(OutboxMail)
        .execution_options(synchronize_session=False)
    )
    return mail


async def settle(session: AsyncSession, mail: OutboxMail) -> None:
    """Mark a mail as delivered. Erase its content, which can contain a valid link."""
    await session.execute(
        update(OutboxMail)
        .where(OutboxMail.id == mail.id)
        .values(sent_at=utc_now(), context={}, last_error=None, dead_at=None)
    )


async def postpone(
    session: AsyncSession, mail: OutboxMail, error: str, due_at: datetime | None
) -> None:
    """Store that a delivery failed. Retry at `due_at`, or never if `due_at` is None."""
    # The error of a mail server can contain any characters. The database refuses some
    # characters, and a terminal treats others as commands.
    printable = (each if each.isprintable() else " " for each in error[:200])
    again = {"dead_at": utc_now()} if due_at is None else {"due_at": due_at}
    await session.execute(
        update(OutboxMail)
        # Change nothing if the lease has ended and another worker has taken the mail.
        .where(OutboxMail.id == mail.id, OutboxMail.attempts == mail.attempts)
        .where(*IS_PENDING)
        .values(last_error="".join(printable), **again)
    )


async def forget_recipients(session: AsyncSession, addresses: Iterable[str]) -> None:
    """Erase these e-mail addresses. Mail that still waits for them is not sent."""
    lowered = [address.lower() for address in addresses]
    await session.execute(
        update(OutboxMail)
        .where(func.lower(OutboxMail.recipient).in_(lowered))
        .values(recipient=None, context={})
        .execution_options(synchronize_session=False)
    )


async def replay(session: AsyncSession, ids: Sequence[UUID] = ()) -> int:
    """Queue dead mails again: the given ones, or all. Return their number."""
    statement = update(OutboxMail).where(OutboxMail.dead_at.is_not(None))
    if ids:
        statement = statement.where(OutboxMail.id.in_(ids))
    replayed = await session.execute(
        statement.values(dead_at=None, attempts=0, due_at=utc_now())
        .returning(OutboxMail.id)
        .execution_options(synchronize_session=False)
    )
    return len(replayed.all())


async def read_status(session: AsyncSession) -> Row[int, datetime, int, int]:
    """Count pending, dead and sent mails. Find the time of the oldest pending one."""
    status = select(
        func.count().filter(*IS_PENDING).label("pending"),
        OLDEST.filter(*IS_PENDING).label("oldest_pending_at"),
        func.count(OutboxMail.dead_at).label("dead"),
        func.count(OutboxMail.sent_at).label("sent"),
    )
    return (await session.execute(status)).one()


async def list_dead(session: AsyncSession, limit: int = 20) -> Sequence[OutboxMail]:
    """List mails that the worker has given up, the latest first."""
    dead = await session.scalars(
        select(OutboxMail)
        .where(OutboxMail.dead_at.is_not(None))
        .order_by(OutboxMail.dead_at.desc())
        .limit(limit)
    )
    return dead.all()
