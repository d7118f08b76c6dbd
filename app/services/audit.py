"""The audit trail: what happens to accounts, and who has made important changes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import (
    ScalarSelect,
    and_,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.request_context import current_request
from app.core.tokens.cursor import CursorSigner
from app.db.models.audit_event import AuditEvent
from app.db.postgresql import LIFT_TIMEOUTS
from app.db.reads import ReadSession
from app.db.session import execute
from app.schemas.audit import AuditQuery, EventName
from app.schemas.page import PageParameters
from app.services.listing import Listing, Order, RowPage

Outcome = Literal["success", "failure"]


def record(
    session: AsyncSession, event: EventName, subject: UUID | None, **values: Any
) -> None:
    """Add an event to the caller's transaction: both are committed, or neither is.

    `values` are keyword arguments of `describe`.
    """
    session.add(AuditEvent(**describe(event, subject, **values)))


async def record_now(session: AsyncSession, *events: dict[str, Any]) -> None:
    """Insert the results of `describe` immediately, in one statement.

    This costs less than `record`.
    """
    if events:
        await execute(session, INSERT, *events)


def describe(
    event: EventName,
    subject: UUID | None,
    *,
    actor: UUID | None = None,
    session_id: UUID | None = None,
    outcome: Outcome = "success",
    **detail: str | int | bool | None,
) -> dict[str, Any]:
    """Return the columns of an event.

    The caller, the client and the request id come from the current request. Pass
    `actor` if the request has no access token. Never put a secret into `detail`.
    """
    request = current_request()
    actor_id = actor or (request and request.caller_id)
    anonymous = "anonymous" if request else "system"
    return {
        "event": event,
        "outcome": outcome,
        "actor_type": "user" if actor_id else anonymous,
        "actor_id": actor_id,
        "subject_type": None if subject is None else _kind(event),
        "subject_id": subject,
        "session_id": session_id or (request and request.session_id),
        "ip": request and request.client_address,
        "user_agent": request and request.user_agent,
        "request_id": request and request.request_id,
        "detail": {**request.audit_detail, **detail} if request else detail,
    }


def _kind(event: EventName) -> str:
    """Return the kind of an event's subject, such as `note` for `note.deleted`."""
    kind, _, _ = event.partition(".")
    return "user" if kind in {"account", "auth", "authz", "session"} else kind


INSERT = insert(AuditEvent.__table__)  # type: ignore[arg-type]
EVENT = AuditEvent.__table__.c


def refuse_long_names(names: Iterable[EventName]) -> None:
    """Refuse names that are too long for PostgreSQL, when the service starts.

    SQLite would accept such names.
    """
    for name in names:
        for text, column in ((name, EVENT.event), (_kind(name), EVENT.subject_type)):
            if len(text) > (longest := column.type.length):  # type: ignore[attr-defined]
                raise ValueError(
                    f"Audit event {name}: shorten `{text}` to {longest} characters."
                )


refuse_long_names(get_args(EventName))


async def erase_origin(session: AsyncSession, user_id: UUID) -> None:
    """Erase the IP address and the user agent from the events of a user.

    These are the events that the user caused, and the events about the user without a
    known caller, such as failed logins.
    """
    if session.get_bind().dialect.name == "postgresql":
        # This can take long: a busy account has about 50,000 events a year per device.
        await session.execute(LIFT_TIMEOUTS)
    attempts = and_(EVENT.actor_id.is_(None), EVENT.subject_id == user_id)
    await session.execute(
        update(AuditEvent)
        .where(or_(EVENT.actor_id == user_id, attempts))
        .values(ip=None, user_agent=None)
        .execution_options(synchronize_session=False)
    )


def last(event: EventName) -> ScalarSelect[Any]:
    """Select the time of the newest event of this name."""
    at = func.max(EVENT.occurred_at)
    return select(at).where(EVENT.event == event).scalar_subquery()


NEWEST_FIRST = Order(EVENT.occurred_at, EVENT.id, descending=True)
EVENTS = Listing(
    select(*EVENT),
    NEWEST_FIRST,
    {
        "event": EVENT.event == bindparam("event"),
        "actor_id": EVENT.actor_id == bindparam("actor_id"),
        "subject_id": EVENT.subject_id == bindparam("subject_id"),
        "since": EVENT.occurred_at >= bindparam("since"),
        "until": EVENT.occurred_at < bindparam("until"),
    },
    name="audit events",
)
# Users must not learn from where another person, such as an administrator, acted.
OWN = or_(EVENT.actor_id.is_(None), EVENT.actor_id == EVENT.subject_id)
EVENTS_OF_USER = Listing(
    select(
        EVENT.id,
        EVENT.occurred_at,
        EVENT.event,
        EVENT.outcome,
        case((OWN, EVENT.ip)).label("ip"),
        case((OWN, EVENT.user_agent)).label("user_agent"),
    ).where(EVENT.subject_id == bindparam("user")),
    NEWEST_FIRST,
    name="security events of {user}",
)


@dataclass(frozen=True, slots=True)
class AuditTrail:
    read: ReadSession
    cursors: CursorSigner

    async def page(self, query: AuditQuery) -> RowPage:
        return await EVENTS.page(self.read, self.cursors, query)

    async def page_of(self, user_id: UUID, query: PageParameters) -> RowPage:
        """Read the events of one account, with the columns that its owner may see."""
        return await EVENTS_OF_USER.page(self.read, self.cursors, query, user=user_id)
