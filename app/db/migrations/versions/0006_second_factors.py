"""Second factors: logins that wait for one, and codes that replace a lost one."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.DateTime(), "sqlite")


def upgrade() -> None:
    op.add_column(
        "users",
        sa.Column(
            "second_factors",
            sa.String(length=100),
            server_default=sa.text("''"),
            nullable=False,
        ),
    )
    op.add_column("users", sa.Column("mfa_asked_at", INSTANT))
    op.add_column("auth_sessions", sa.Column("second_factor_at", INSTANT))
    op.create_table(
        "pending_logins",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("amr", sa.String(length=100), nullable=False),
        sa.Column("password_fingerprint", sa.LargeBinary(length=8), nullable=False),
        sa.Column("device_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_pending_logins_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_pending_logins")),
    )
    for column in ("user_id", "expires_at"):
        op.create_index(op.f(f"ix_pending_logins_{column}"), "pending_logins", [column])
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_recovery_codes_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name=op.f("pk_recovery_codes")),
    )


def downgrade() -> None:
    op.drop_table("recovery_codes")
    op.drop_table("pending_logins")  # with its indexes
    op.drop_column("auth_sessions", "second_factor_at")
    op.drop_column("users", "mfa_asked_at")
    op.drop_column("users", "second_factors")
