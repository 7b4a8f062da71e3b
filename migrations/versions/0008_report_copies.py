"""Reports made beforehand and kept, so that pages of commissioners need not wait for them."""

import sqlalchemy as sa
from alembic import op

import booking.db

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = booking.db.UTCDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "report_copy",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("organisation_id", BigKey, nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("question", sa.String(200), nullable=False),
        sa.Column("requested_at", Moment, nullable=False),
        sa.Column("settled_at", Moment, nullable=True),
        sa.Column("made_at", Moment, nullable=True),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("(document IS NULL) = (made_at IS NULL)", name=op.f("ck_report_copy_made")),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name=op.f("fk_report_copy_organisation_id_organisation"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_copy")),
        sa.UniqueConstraint("organisation_id", "name", "question", name=op.f("uq_report_copy_organisation_id_name_question")),
    )


def downgrade() -> None:
    op.drop_table("report_copy")
