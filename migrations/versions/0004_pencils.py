"""Places the last plan pencils for those not asked yet."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "pencil",
        sa.Column("referral_id", BigKey, nullable=False),
        sa.Column("slot_id", BigKey, nullable=False),
        sa.Column("plan_run_id", BigKey, nullable=False),
        sa.Column("lost", BigKey, server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_run_id"], ["plan_run.id"], name=op.f("fk_pencil_plan_run_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["referral_id"], ["referral.id"], name=op.f("fk_pencil_referral_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["slot_id"], ["slot.id"], name=op.f("fk_pencil_slot_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("referral_id", name=op.f("pk_pencil")),
    )
    op.create_index(op.f("ix_pencil_slot_id"), "pencil", ["slot_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_pencil_slot_id"), table_name="pencil")
    op.drop_table("pencil")
