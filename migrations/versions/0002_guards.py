"""What the database refuses by itself and SQLAlchemy can't say: exclusion constraints and triggers.

PostgreSQL and SQLite get the same rules under the same names; ``tests/test_database_refuses.py`` proves each
on both. ``alembic check`` can't see these, so that test is what keeps them.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = ("audit_entry", "audit_seal", "access_entry", "clock_event")
# Append-only too, but what people wrote in them is emptied when its time of keeping is over, and its owner says so:
# table, the column, what it becomes, the owner, the key to it, all other columns.
EMPTIED = (
    ("referral_event", "comment", "NULL", "referral", "referral_id",
     ("id", "referral_id", "sequence", "action", "from_state", "to_state", "actor", "role", "on_behalf_of", "at",
      "reason_code", "detail")),
    ("advice_message", "text", "''", "advice_request", "advice_id",
     ("id", "advice_id", "sequence", "author", "role", "on_behalf_of", "organisation_id", "turn", "at")),
)

POSTGRESQL_UP = [
    # A range of one key stands in for equality, so that no extension is needed.
    """ALTER TABLE slot ADD CONSTRAINT practitioner_in_two_places EXCLUDE USING gist (
        int8range(practitioner_id, practitioner_id, '[]') WITH &&, tstzrange(starts_at, ends_at) WITH &&
    ) WHERE (practitioner_id IS NOT NULL AND status <> 'WITHDRAWN')""",
    """ALTER TABLE booking ADD CONSTRAINT patient_in_two_places EXCLUDE USING gist (
        int8range(patient_id, patient_id, '[]') WITH &&, tstzrange(starts_at, ends_at) WITH &&
    ) WHERE (released_at IS NULL AND state <> 'HELD')""",
    """CREATE FUNCTION booking_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE s slot%ROWTYPE;
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            IF (NEW.referral_id, NEW.patient_id, NEW.slot_id, NEW.place, NEW.starts_at, NEW.ends_at)
                IS DISTINCT FROM (OLD.referral_id, OLD.patient_id, OLD.slot_id, OLD.place, OLD.starts_at, OLD.ends_at)
                OR (OLD.released_at IS NOT NULL AND NEW.released_at IS DISTINCT FROM OLD.released_at)
                OR (OLD.reference IS NOT NULL AND NEW.reference IS DISTINCT FROM OLD.reference) THEN
                RAISE EXCEPTION 'booking_is_fixed' USING ERRCODE = '23514', CONSTRAINT = 'booking_is_fixed';
            END IF;
            IF NOT (OLD.state = 'HELD' AND NEW.state = 'BOOKED') THEN RETURN NEW; END IF;
        END IF;
        -- FOR SHARE waits for whoever is withdrawing or moving the slot at this moment.
        SELECT * INTO s FROM slot WHERE id = NEW.slot_id FOR SHARE;
        IF s.status <> 'PUBLISHED' OR NEW.place > s.capacity OR NEW.starts_at <> s.starts_at OR NEW.ends_at <> s.ends_at THEN
            RAISE EXCEPTION 'slot_not_open' USING ERRCODE = '23514', CONSTRAINT = 'slot_not_open';
        END IF;
        IF NOT EXISTS (SELECT 1 FROM referral r WHERE r.id = NEW.referral_id AND r.patient_id = NEW.patient_id) THEN
            RAISE EXCEPTION 'patient_of_referral' USING ERRCODE = '23514', CONSTRAINT = 'patient_of_referral';
        END IF;
        RETURN NEW;
    END $$""",
    "CREATE TRIGGER booking_guard BEFORE INSERT OR UPDATE ON booking FOR EACH ROW EXECUTE FUNCTION booking_guard()",
    """CREATE FUNCTION slot_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.ends_at > NEW.starts_at + interval '24 hours' THEN
            RAISE EXCEPTION 'slot_duration' USING ERRCODE = '23514', CONSTRAINT = 'slot_duration';
        END IF;
        IF TG_OP = 'UPDATE' AND ((NEW.service_id, NEW.site_id, NEW.practitioner_id, NEW.starts_at, NEW.ends_at, NEW.mode)
                IS DISTINCT FROM (OLD.service_id, OLD.site_id, OLD.practitioner_id, OLD.starts_at, OLD.ends_at, OLD.mode)
                OR NEW.capacity < OLD.capacity OR (NEW.status = 'WITHDRAWN' AND OLD.status <> 'WITHDRAWN'))
            AND EXISTS (SELECT 1 FROM booking b WHERE b.slot_id = NEW.id AND b.released_at IS NULL
                AND (NEW.capacity = OLD.capacity OR b.place > NEW.capacity
                     OR (NEW.service_id, NEW.site_id, NEW.practitioner_id, NEW.starts_at, NEW.ends_at, NEW.mode, NEW.status)
                     IS DISTINCT FROM (OLD.service_id, OLD.site_id, OLD.practitioner_id, OLD.starts_at, OLD.ends_at, OLD.mode, OLD.status)))
        THEN
            RAISE EXCEPTION 'slot_is_booked' USING ERRCODE = '23514', CONSTRAINT = 'slot_is_booked';
        END IF;
        RETURN NEW;
    END $$""",
    "CREATE TRIGGER slot_guard BEFORE INSERT OR UPDATE ON slot FOR EACH ROW EXECUTE FUNCTION slot_guard()",
    """CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'append_only' USING ERRCODE = '23514', CONSTRAINT = 'append_only';
    END $$""",
    *(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION append_only()"
        for table in APPEND_ONLY
    ),
    *(
        f"""CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'UPDATE' AND NEW.{column} IS NOT DISTINCT FROM {empty}
                AND to_jsonb(NEW) - '{column}' = to_jsonb(OLD) - '{column}'
                AND EXISTS (SELECT 1 FROM {owner} o WHERE o.id = OLD.{key} AND o.emptied_at IS NOT NULL) THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'append_only' USING ERRCODE = '23514', CONSTRAINT = 'append_only';
        END $$"""
        for table, column, empty, owner, key, _ in EMPTIED
    ),
    *(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW "
        f"EXECUTE FUNCTION {table}_append_only()"
        for table, *_ in EMPTIED
    ),
    *(
        f"CREATE TRIGGER {table}_never_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        for table in (*APPEND_ONLY, *(emptied[0] for emptied in EMPTIED))
    ),
]

POSTGRESQL_DOWN = [
    *(f"DROP TRIGGER {table}_never_emptied ON {table}" for table in (*APPEND_ONLY, *(one[0] for one in EMPTIED))),
    *(f"DROP TRIGGER {table}_append_only ON {table}" for table in (*APPEND_ONLY, *(one[0] for one in EMPTIED))),
    *(f"DROP FUNCTION {one[0]}_append_only()" for one in EMPTIED),
    "DROP FUNCTION append_only()",
    "DROP TRIGGER slot_guard ON slot",
    "DROP FUNCTION slot_guard()",
    "DROP TRIGGER booking_guard ON booking",
    "DROP FUNCTION booking_guard()",
    "ALTER TABLE booking DROP CONSTRAINT patient_in_two_places",
    "ALTER TABLE slot DROP CONSTRAINT practitioner_in_two_places",
]

_SLOT_OPEN = """
    SELECT RAISE(ABORT, 'slot_not_open') WHERE NOT EXISTS (
        SELECT 1 FROM slot s WHERE s.id = NEW.slot_id AND s.status = 'PUBLISHED' AND NEW.place <= s.capacity
        AND NEW.starts_at = s.starts_at AND NEW.ends_at = s.ends_at);
    SELECT RAISE(ABORT, 'patient_of_referral') WHERE NOT EXISTS (
        SELECT 1 FROM referral r WHERE r.id = NEW.referral_id AND r.patient_id = NEW.patient_id);
"""
# Times are stored as text of one width, so comparing text compares instants; the bound of two days lets the
# index find the few rows that could overlap (no slot is longer than 24 hours).
_PATIENT_FREE = """
    SELECT RAISE(ABORT, 'patient_in_two_places') WHERE NEW.released_at IS NULL AND NEW.state <> 'HELD' AND EXISTS (
        SELECT 1 FROM booking b WHERE b.patient_id = NEW.patient_id AND b.id <> NEW.id
        AND b.starts_at < NEW.ends_at AND b.starts_at > datetime(NEW.starts_at, '-2 days') AND b.ends_at > NEW.starts_at
        AND b.released_at IS NULL AND b.state <> 'HELD');
"""
# The clinician's other slots don't overlap each other, so only the last that starts before this one ends can meet it.
_PRACTITIONER_FREE = """
    SELECT RAISE(ABORT, 'slot_duration') WHERE julianday(NEW.ends_at) - julianday(NEW.starts_at) > 1.0000001;
    SELECT RAISE(ABORT, 'practitioner_in_two_places') WHERE NEW.practitioner_id IS NOT NULL AND NEW.status <> 'WITHDRAWN'
        AND NEW.starts_at < (
            SELECT s.ends_at FROM slot s WHERE s.practitioner_id = NEW.practitioner_id AND s.id <> NEW.id
            AND s.starts_at < NEW.ends_at AND s.status <> 'WITHDRAWN' ORDER BY s.starts_at DESC LIMIT 1);
"""

SQLITE_UP = [
    # AFTER, not BEFORE: only then does NEW.id have its final value.
    f"CREATE TRIGGER booking_guard_insert AFTER INSERT ON booking BEGIN {_SLOT_OPEN} {_PATIENT_FREE} END",
    f"CREATE TRIGGER booking_guard_confirm AFTER UPDATE ON booking WHEN OLD.state = 'HELD' AND NEW.state = 'BOOKED' "
    f"BEGIN {_SLOT_OPEN} END",
    f"CREATE TRIGGER booking_guard_patient AFTER UPDATE ON booking BEGIN {_PATIENT_FREE} END",
    """CREATE TRIGGER booking_is_fixed BEFORE UPDATE ON booking BEGIN
        SELECT RAISE(ABORT, 'booking_is_fixed') WHERE NEW.referral_id <> OLD.referral_id
        OR NEW.patient_id <> OLD.patient_id OR NEW.slot_id <> OLD.slot_id OR NEW.place <> OLD.place
        OR NEW.starts_at <> OLD.starts_at OR NEW.ends_at <> OLD.ends_at
        OR (OLD.released_at IS NOT NULL AND NEW.released_at IS NOT OLD.released_at)
        OR (OLD.reference IS NOT NULL AND NEW.reference IS NOT OLD.reference);
    END""",
    f"CREATE TRIGGER slot_guard_insert AFTER INSERT ON slot BEGIN {_PRACTITIONER_FREE} END",
    f"""CREATE TRIGGER slot_guard_practitioner AFTER UPDATE OF practitioner_id, starts_at, ends_at, status ON slot
        BEGIN {_PRACTITIONER_FREE} END""",
    """CREATE TRIGGER slot_is_booked BEFORE UPDATE ON slot
    WHEN NEW.service_id <> OLD.service_id OR NEW.site_id <> OLD.site_id OR NEW.practitioner_id IS NOT OLD.practitioner_id
        OR NEW.starts_at <> OLD.starts_at OR NEW.ends_at <> OLD.ends_at OR NEW.mode <> OLD.mode
        OR (NEW.status = 'WITHDRAWN' AND OLD.status <> 'WITHDRAWN')
    BEGIN
        SELECT RAISE(ABORT, 'slot_is_booked') WHERE EXISTS (
            SELECT 1 FROM booking b WHERE b.slot_id = NEW.id AND b.released_at IS NULL);
    END""",
    """CREATE TRIGGER slot_keeps_booked_places BEFORE UPDATE OF capacity ON slot WHEN NEW.capacity < OLD.capacity BEGIN
        SELECT RAISE(ABORT, 'slot_is_booked') WHERE EXISTS (
            SELECT 1 FROM booking b WHERE b.slot_id = NEW.id AND b.released_at IS NULL AND b.place > NEW.capacity);
    END""",
    *(
        f"CREATE TRIGGER {table}_append_only_{verb.lower()} BEFORE {verb} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'append_only'); END"
        for table in APPEND_ONLY
        for verb in ("UPDATE", "DELETE")
    ),
    *(
        f"CREATE TRIGGER {table}_append_only_delete BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, 'append_only'); END"
        for table, *_ in EMPTIED
    ),
    *(
        f"""CREATE TRIGGER {table}_append_only_update BEFORE UPDATE ON {table}
        WHEN NOT (NEW.{column} IS {empty} AND {" AND ".join(f"NEW.{other} IS OLD.{other}" for other in others)}
            AND EXISTS (SELECT 1 FROM {owner} o WHERE o.id = OLD.{key} AND o.emptied_at IS NOT NULL))
        BEGIN SELECT RAISE(ABORT, 'append_only'); END"""
        for table, column, empty, owner, key, others in EMPTIED
    ),
]

SQLITE_DOWN = [
    *(
        f"DROP TRIGGER {table}_append_only_{verb}"
        for table in (*APPEND_ONLY, *(one[0] for one in EMPTIED))
        for verb in ("update", "delete")
    ),
    *(
        f"DROP TRIGGER {name}"
        for name in (
            "slot_keeps_booked_places", "slot_is_booked", "slot_guard_practitioner", "slot_guard_insert",
            "booking_is_fixed", "booking_guard_patient", "booking_guard_confirm", "booking_guard_insert",
        )
    ),
]


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE_UP if sqlite else POSTGRESQL_UP:
        op.execute(statement)


def downgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE_DOWN if sqlite else POSTGRESQL_DOWN:
        op.execute(statement)
