"""Who does things for a patient in the patient's session."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
RELATIONS = ("PARTNER", "CHILD", "PARENT", "FAMILY", "FRIEND", "CARER", "STAFF", "OTHER")


def upgrade() -> None:
    op.create_table(
        "acting_person",
        sa.Column("id", BigKey, nullable=False),
        sa.Column("session_id", BigKey, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column(
            "relation",
            sa.Enum(*RELATIONS, name="relation", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["auth_session.id"],
            name=op.f("fk_acting_person_session_id_auth_session"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acting_person")),
    )
    op.create_index(op.f("ix_acting_person_session_id"), "acting_person", ["session_id"])
    op.create_index(
        "uq_acting_person_now", "acting_person", ["session_id"], unique=True,
        sqlite_where=sa.text("ended_at IS NULL"), postgresql_where=sa.text("ended_at IS NULL"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("uq_acting_person_now", table_name="acting_person")
    op.drop_index(op.f("ix_acting_person_session_id"), table_name="acting_person")
    op.drop_table("acting_person")
