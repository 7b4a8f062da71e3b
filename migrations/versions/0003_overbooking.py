"""Extra places against missed appointments: a setting of each service, off by default, and how many a slot has.

Plain ``ADD COLUMN`` with the check inside, alike on PostgreSQL and SQLite: no table is made anew, no trigger lost.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE service ADD COLUMN overbooking_percent INTEGER DEFAULT 0 NOT NULL "
        "CONSTRAINT ck_service_overbooking CHECK (overbooking_percent BETWEEN 0 AND 30)"
    )
    op.execute(
        "ALTER TABLE slot ADD COLUMN overbooked_places INTEGER DEFAULT 0 NOT NULL "
        "CONSTRAINT ck_slot_overbooked_places CHECK (overbooked_places >= 0 AND overbooked_places < capacity)"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE slot DROP CONSTRAINT ck_slot_overbooked_places")
    op.execute("ALTER TABLE slot DROP COLUMN overbooked_places")
    op.execute("ALTER TABLE service DROP COLUMN overbooking_percent")
