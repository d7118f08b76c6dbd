"""List users, sessions and audit events by their filters without sorting."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

ADDED = {
    "ix_users_role_created_at_id": ("users", ["role", "created_at", "id"]),
    "ix_users_is_active_created_at_id": ("users", ["is_active", "created_at", "id"]),
    "ix_audit_events_event_occurred_at_id": (
        "audit_events",
        ["event", "occurred_at", "id"],
    ),
}
LIVE: dict[str, Any] = {
    f"{dialect}_where": sa.text("revoked_at IS NULL")
    for dialect in ("postgresql", "sqlite")
}


def upgrade() -> None:
    for name, (table, columns) in ADDED.items():
        op.create_index(name, table, columns)
    op.drop_index("ix_auth_sessions_live_user_id", "auth_sessions")
    op.create_index(
        "ix_auth_sessions_live_user_id_created_at_id",
        "auth_sessions",
        ["user_id", "created_at", "id"],
        **LIVE,
    )


def downgrade() -> None:
    op.drop_index("ix_auth_sessions_live_user_id_created_at_id", "auth_sessions")
    op.create_index(
        "ix_auth_sessions_live_user_id", "auth_sessions", ["user_id"], **LIVE
    )
    for name, (table, _) in ADDED.items():
        op.drop_index(name, table)
