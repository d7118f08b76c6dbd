"""Audit events, in a table that only grows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.DateTime(), "sqlite")
# The triggers of every append-only table call this.
REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
"""
POSTGRESQL_TRIGGER = """
CREATE TRIGGER audit_events_refuse_change
BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
# A batch operation on this table drops these triggers: create them again after it.
SQLITE_TRIGGERS = [
    f"""
    CREATE TRIGGER audit_events_refuse_{operation.lower()}
    BEFORE {operation} ON audit_events
    BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END
    """
    for operation in ("UPDATE", "DELETE")
]


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
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in (
        SQLITE_TRIGGERS if on_sqlite else [REFUSE_CHANGE, POSTGRESQL_TRIGGER]
    ):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("audit_events")  # with its indexes and triggers
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")
