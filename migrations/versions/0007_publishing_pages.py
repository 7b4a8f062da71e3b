"""Sessions kept to be used again, files of slots looked at before they are taken, and closed slots found quickly."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "session_template",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("organisation_id", BigKey, nullable=False),
        sa.Column("service_id", BigKey, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("saved_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_session_template_organisation_id_organisation"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name=op.f("fk_session_template_service_id_service"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_template")),
        sa.UniqueConstraint("service_id", "name", name=op.f("uq_session_template_service_id_name")),
    )
    op.create_index(op.f("ix_session_template_organisation_id"), "session_template", ["organisation_id"])
    op.create_table(
        "slot_upload",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("organisation_id", BigKey, nullable=False),
        sa.Column("service_id", BigKey, nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.Column("bad_rows", sa.LargeBinary(), nullable=True),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uploaded_by", sa.String(length=200), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.id"],
            name=op.f("fk_slot_upload_organisation_id_organisation"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name=op.f("fk_slot_upload_service_id_service"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slot_upload")),
    )
    op.create_index(op.f("ix_slot_upload_organisation_id"), "slot_upload", ["organisation_id"])
    op.create_index(
        "ix_slot_closed",
        "slot",
        ["service_id", "starts_at"],
        sqlite_where=sa.text("status = 'CLOSED'"),
        postgresql_where=sa.text("status = 'CLOSED'"),
    )


def downgrade() -> None:
    op.drop_index("ix_slot_closed", table_name="slot")
    op.drop_index(op.f("ix_slot_upload_organisation_id"), table_name="slot_upload")
    op.drop_table("slot_upload")
    op.drop_index(op.f("ix_session_template_organisation_id"), table_name="session_template")
    op.drop_table("session_template")
