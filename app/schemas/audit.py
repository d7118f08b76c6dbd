from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from app.schemas.base import Representation
from app.schemas.page import PageParameters

EventName = Literal[
    "account.deleted",
    "account.disabled",
    "account.duplicate_attempt",
    "account.email.changed",
    "account.email.change_requested",
    "account.email.verified",
    "account.enabled",
    "account.password.changed",
    "account.password.rehash",
    "account.password.reset",
    "account.password.reset_requested",
    "account.registered",
    "account.role.changed",
    "auth.login.failure",
    "auth.login.success",
    "auth.login.throttled",
    "auth.reauthentication.failure",
    "auth.reauthentication.success",
    "auth.refresh.ahead",
    "auth.refresh.replayed_in_leeway",
    "auth.refresh.reuse",
    "auth.refresh.success",
    "authz.denied",
    "session.all_revoked",
    "session.revoked",
]


def in_utc(instant: datetime) -> datetime:
    """Convert to UTC; refuse an instant that is then outside of the years 1 to 9999."""
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(
            "Input should be an instant between years 1 and 9999"
        ) from error


def written_out(value: object) -> object:
    """Refuse a number of seconds, which pydantic reads but the API does not promise."""
    if isinstance(value, str) and value[4:5] != "-":
        raise ValueError("Input should be an instant such as 2026-01-01T12:00:00Z")
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(written_out), AfterValidator(in_utc)]


class AuditQuery(PageParameters):
    event: EventName | None = None
    actor_id: UUID | None = Field(None, description="Who did it.")
    subject_id: UUID | None = Field(None, description="Whose account it is about.")
    since: Instant | None = Field(None, description="Not before this instant.")
    until: Instant | None = Field(None, description="Before this instant.")


class SecurityEvent(Representation):
    """What happened to your account."""

    id: UUID
    occurred_at: datetime
    event: str
    outcome: str
    ip: str | None = Field(description="From where, unless somebody else did it.")
    user_agent: str | None


class AuditEventRead(SecurityEvent):
    actor_type: str
    actor_id: UUID | None
    subject_type: str | None
    subject_id: UUID | None
    session_id: UUID | None
    request_id: str | None
    detail: dict[str, Any]
