"""The record of what happened to accounts: written once, never changed."""

from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Select, bindparam, case, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.request_context import current_request
from app.core.tokens.cursor import CursorSigner
from app.db.models.audit_event import AuditEvent
from app.db.session import Database, ReadSession, transaction
from app.schemas.audit import AuditQuery, EventName
from app.schemas.page import PageParameters
from app.services.listing import Order, RowPage, fetch_page

Outcome = Literal["success", "failure"]


def record(
    session: AsyncSession,
    event: EventName,
    subject: UUID | None,
    *,
    actor: UUID | None = None,
    session_id: UUID | None = None,
    outcome: Outcome = "success",
    **detail: str | int | bool | None,
) -> None:
    """Add an event to the caller's transaction, so that both are kept or neither.

    Who did it, from where and in which request is known from the request; name the
    `actor` where nobody has sent an access token. Never put a secret into `detail`.
    """
    request = current_request()
    actor_id = actor or (request and request.caller_id)
    anonymous = "anonymous" if request else "system"
    session.add(
        AuditEvent(
            event=event,
            outcome=outcome,
            actor_type="user" if actor_id else anonymous,
            actor_id=actor_id,
            subject_type=None if subject is None else "user",
            subject_id=subject,
            session_id=session_id or (request and request.session_id),
            ip=request and request.client_address,
            user_agent=request and request.user_agent,
            request_id=request and request.request_id,
            detail=detail,
        )
    )


async def record_alone(
    database: Database, event: EventName, subject: UUID | None, **details: Any
) -> None:
    """Record, in a transaction of its own, what is refused and changes nothing."""
    async with transaction(database) as session:
        record(session, event, subject, **details)


EVENT = AuditEvent.__table__.c
NEWEST_FIRST = Order(AuditEvent.occurred_at, AuditEvent.id, descending=True)
FILTERS = {
    "event": EVENT.event == bindparam("event"),
    "actor_id": EVENT.actor_id == bindparam("actor_id"),
    "subject_id": EVENT.subject_id == bindparam("subject_id"),
    "since": EVENT.occurred_at >= bindparam("since"),
    "until": EVENT.occurred_at < bindparam("until"),
}
# Where somebody else was is not for the subject to know.
OWN = or_(EVENT.actor_id.is_(None), EVENT.actor_id == EVENT.subject_id)
SELECT_OWN = select(
    EVENT.id,
    EVENT.occurred_at,
    EVENT.event,
    EVENT.outcome,
    case((OWN, EVENT.ip)).label("ip"),
    case((OWN, EVENT.user_agent)).label("user_agent"),
).where(EVENT.subject_id == bindparam("subject_id"))
SELECT_OWN_PAGE = {
    continued: NEWEST_FIRST.apply(SELECT_OWN, continued=continued)
    for continued in (False, True)
}


@lru_cache(maxsize=64)
def select_page(filters: tuple[str, ...], *, continued: bool) -> Select[Any]:
    statement = select(*EVENT).where(*(FILTERS[name] for name in filters))
    return NEWEST_FIRST.apply(statement, continued=continued)


class AuditTrail:
    """Events as they are read, newest first."""

    def __init__(self, read: ReadSession, cursors: CursorSigner) -> None:
        self.read = read
        self.cursors = cursors

    async def page(self, query: AuditQuery) -> RowPage:
        values = query.model_dump(include=set(FILTERS), exclude_none=True)
        statement = select_page(tuple(values), continued=query.cursor is not None)
        return await fetch_page(
            self.read,
            statement,
            NEWEST_FIRST,
            values,
            query,
            self.cursors,
            of="audit events",
        )

    async def page_of(self, user_id: UUID, query: PageParameters) -> RowPage:
        """What happened to one account, as its owner may see it."""
        return await fetch_page(
            self.read,
            SELECT_OWN_PAGE[query.cursor is not None],
            NEWEST_FIRST,
            {"subject_id": user_id},
            query,
            self.cursors,
            of=f"security events of {user_id}",
        )
