"""Audit events, with triggers that refuse almost every change."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.DateTime(), "sqlite")
# The triggers of every append-only table call this function.
REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
"""
REFUSE_TRUNCATE = """
CREATE TRIGGER audit_events_refuse_truncate BEFORE TRUNCATE ON audit_events
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
# The triggers allow two changes. The service erases the IP and user agent of a deleted
# user. It also deletes old events: AUDIT_RETENTION_DAYS is never below these 30 days.
REFUSED = {
    "update": """
        UPDATE OF id, occurred_at, event, outcome, actor_type, actor_id, subject_type,
        subject_id, session_id, request_id, detail ON audit_events FOR EACH ROW
    """,
    "address": """
        UPDATE OF ip, user_agent ON audit_events FOR EACH ROW
        WHEN (new.ip IS NOT NULL OR new.user_agent IS NOT NULL)
    """,
    "delete": """
        DELETE ON audit_events FOR EACH ROW WHEN (old.occurred_at > {thirty_days_ago})
    """,
}
THIRTY_DAYS_AGO = {
    "postgresql": "now() - interval '30 days'",
    "sqlite": "datetime('now', '-30 days')",
}
REFUSE = {
    "postgresql": "EXECUTE FUNCTION refuse_change()",
    "sqlite": "BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END",
}


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("actor_type", sa.String(length=16), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("subject_type", sa.String(length=16), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("ip", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=256), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column(
            "detail",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    for columns in (
        ["occurred_at", "id"],
        ["subject_id", "occurred_at", "id"],
        ["actor_id", "occurred_at", "id"],
        ["event", "occurred_at", "id"],
    ):
        name = op.f("_".join(["ix_audit_events", *columns]))
        op.create_index(name, "audit_events", columns)
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":
        op.execute(REFUSE_CHANGE)
        op.execute(REFUSE_TRUNCATE)
    # If a later migration changes this table by a batch operation, SQLite drops these
    # triggers, and that migration must create them again.
    for kind, template in REFUSED.items():
        change = template.format(thirty_days_ago=THIRTY_DAYS_AGO[dialect])
        op.execute(
            f"CREATE TRIGGER audit_events_refuse_{kind} BEFORE {change} "
            f"{REFUSE[dialect]}"
        )


def downgrade() -> None:
    op.drop_table("audit_events")  # with its indexes and triggers
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")
