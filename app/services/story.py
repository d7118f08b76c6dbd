"""Reads the caller, the mails and the audit events of one request."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, select

from app.db.models.audit_event import AuditEvent
from app.db.models.auth_session import AuthSession
from app.db.models.outbox_mail import OutboxMail
from app.db.models.user import User
from app.db.reads import ReadSession

# The time of an event can differ by this much from the time of its request. The query
# limits the time, because `occurred_at` has an index and `request_id` has none.
NEAR = timedelta(hours=1)
EVENT, MAIL = AuditEvent.__table__.c, OutboxMail.__table__.c
SESSION, USER = AuthSession.__table__.c, User.__table__.c
EVENTS = (
    select(*EVENT)
    .where(EVENT.request_id == bindparam("request_id"))
    .where(EVENT.occurred_at.between(bindparam("since"), bindparam("until")))
    .order_by(EVENT.occurred_at)
)
MAILS = select(
    MAIL.id,
    MAIL.template,
    MAIL.created_at,
    MAIL.attempts,
    MAIL.last_error,
    MAIL.sent_at,
    MAIL.dead_at,
).where(MAIL.id.in_(bindparam("ids", expanding=True)))
CALLER = (
    select(USER.email, USER.role, SESSION.scope, SESSION.auth_time, SESSION.revoked_at)
    .join(AuthSession, SESSION.user_id == USER.id)
    .where(SESSION.id == bindparam("session_id"))
)


@dataclass(frozen=True, slots=True)
class Story:
    caller: Row[Any] | None
    mails: Sequence[Row[Any]]
    events: Sequence[Row[Any]]


async def read_mails(read: ReadSession, ids: Sequence[str]) -> Sequence[Row[Any]]:
    if not ids:
        return ()
    async with read.connect() as connection:  # because `read.all` takes no lists
        found = await connection.execute(MAILS, {"ids": [UUID(each) for each in ids]})
        return found.all()  # type: ignore[return-value]


async def read_story(
    read: ReadSession,
    request_id: str,
    at: datetime,
    *,
    session_id: str | None,
    mails: Sequence[str],
) -> Story:
    """Read what is stored about a request. Raises `Unavailable`."""
    near = {"request_id": request_id, "since": at - NEAR, "until": at + NEAR}
    session = {"session_id": UUID(session_id)} if session_id else None
    return Story(
        await read.one_or_none(CALLER, session) if session else None,
        await read_mails(read, mails),
        await read.all(EVENTS, near),
    )


def columns(row: Row[Any], statement: Select[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in statement.selected_columns.keys()}  # noqa: SIM118


def outcome(mail: Row[Any]) -> str:
    """Return the state of a mail in one word."""
    if mail.sent_at:
        return "sent"
    return "failed" if mail.dead_at else "waits"
