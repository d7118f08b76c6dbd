from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from app.schemas.base import USER_AGENT, Representation
from app.schemas.page import PageParameters
from app.schemas.values import Instant

EventName = Literal[
    "account.api_key.created",
    "account.api_key.leaked",
    "account.api_key.revoked",
    "account.api_key.rotated",
    "account.api_key.used_first_from_network",
    "account.deleted",
    "account.disabled",
    "account.duplicate_attempt",
    "account.email.changed",
    "account.email.change_requested",
    "account.email.verified",
    "account.enabled",
    "account.identity.linked",  # external_identities
    "account.identity.removed",  # external_identities
    "account.mfa.asked",
    "account.mfa.reset",
    "account.mfa.totp.enrolled",
    "account.mfa.totp.removed",
    "account.passkey.added",
    "account.passkey.clone_suspected",
    "account.passkey.removed",
    "account.passkey.renamed",
    "account.password.changed",
    "account.password.rehash",
    "account.password.reset",
    "account.password.reset_requested",
    "account.recovery_codes.generated",
    "account.recovery_codes.used",
    "account.registered",
    "account.role.changed",
    "auth.login.failure",
    "auth.login.success",
    "auth.login.throttled",
    "auth.mfa.failure",
    "auth.mfa.success",
    "auth.reauthentication.failure",
    "auth.reauthentication.success",
    "auth.refresh.ahead",
    "auth.refresh.replayed_in_leeway",
    "auth.refresh.reuse",
    "auth.refresh.success",
    "authz.denied",
    "backup.made",
    "backup.verified",
    "product.deleted",
    "product.price_changed",
    "products.imported",
    "session.all_revoked",
    "session.revoked",
]


class AuditQuery(PageParameters):
    event: Annotated[EventName, Field(title="EventName")] | None = None
    actor_id: UUID | None = Field(None, description="Events that this user caused.")
    subject_id: UUID | None = Field(
        None, description="Events about this account or other resource."
    )
    since: Instant | None = Field(None, description="Events at or after this time.")
    until: Instant | None = Field(None, description="Events before this time.")


class SecurityEvent(Representation):
    """A security event of your account."""

    id: UUID
    occurred_at: datetime
    event: str = Field(examples=["auth.login.success"])
    outcome: str = Field(examples=["success"])
    ip: str | None = Field(
        description="IP address of the caller; null if another person acted.",
        examples=["192.0.2.1"],
    )
    user_agent: str | None = Field(examples=[USER_AGENT])


class AuditEventRead(SecurityEvent):
    actor_type: str = Field(examples=["user"])
    actor_id: UUID | None
    subject_type: str | None = Field(examples=["user"])
    subject_id: UUID | None
    session_id: UUID | None
    request_id: str | None = Field(examples=["019a8f3e-5a70-7000-8000-000000000000"])
    detail: dict[str, Any]
