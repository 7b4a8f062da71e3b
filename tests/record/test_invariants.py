"""``faults`` finds nothing where all is well, and each planted fault under its number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session
from structlog.testing import CapturingLogger

from booking.db import Database
from booking.domain.referral import Action, ReferralState
from booking.domain.words import BookingState, ClockState, Role, SlotStatus, Worklist
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.models import (
    AuditEntry,
    Booking,
    IdempotencyRecord,
    OutboxMessage,
    Referral,
    ReferralEvent,
    ReferralService,
    Slot,
)
from booking.services import booking, invariants
from booking.services.booking import Choice
from booking.services.work import Work
from tests import factories
from tests.factories import Region


@contextmanager
def past_the_guards(database: Database) -> Iterator[Session]:
    """A transaction in which no trigger or constraint of that kind refuses, as after a mistaken repair by hand.

    It is rolled back, and with it everything that was dropped.
    """
    session = database.session()
    try:
        if database.is_sqlite:
            for name in session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                session.execute(text(f"DROP TRIGGER {name}"))
            session.execute(text("PRAGMA ignore_check_constraints = ON"))
        else:
            session.execute(text("SET LOCAL session_replication_role = replica"))
            for table, name in (
                ("booking", "patient_in_two_places"), ("slot", "practitioner_in_two_places"),
                ("referral", "ck_referral_on_a_worklist"),
            ):  # fmt: skip
                session.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
        yield session
    finally:
        session.rollback()
        if database.is_sqlite:
            session.execute(text("PRAGMA ignore_check_constraints = OFF"))
            session.rollback()
        session.close()


@pytest.fixture
def booked(work: Work, region: Region) -> Booking:
    """An appointment made through the services, and beside it a referral that still chooses."""
    made = factories.referral(work, region)[0]
    factories.referral(work, region, patient=factories.PatientFactory(practice_id=region.practice.id))
    practice = factories.acting(work, Role.REFERRING_CLINICIAN, region.practice)
    slot = region.slots[0]
    row = booking.book(practice, made.ubrn, Choice(slot.id, slot.starts_at, slot.ends_at))
    work.session.commit()
    return row


def found(session: Session, work: Work) -> set[tuple[str, int]]:
    return {(fault.check, fault.invariant) for fault in invariants.faults(session, work.now)}


def test_what_the_services_wrote_has_no_fault(database: Database, work: Work, booked: Booking) -> None:
    with database.unit_of_work(write=False) as session:
        assert invariants.faults(session, work.now) == []


def two_on_one_place(session: Session, row: Booking) -> None:
    session.execute(update(Slot).where(Slot.id == row.slot_id).values(capacity=2))
    other = session.scalars(select(Referral).where(Referral.id != row.referral_id)).one()
    fields = {column.key: getattr(row, column.key) for column in Booking.__table__.columns if column.key != "id"}
    fields |= {"referral_id": other.id, "patient_id": other.patient_id, "place": 2, "reference": "TWICE1234567"}
    session.add(Booking(**fields))
    session.flush()
    session.execute(update(Slot).where(Slot.id == row.slot_id).values(capacity=1))


def patient_twice(session: Session, row: Booking) -> None:
    other = session.scalars(select(Referral).where(Referral.id != row.referral_id)).one()
    fields = {column.key: getattr(row, column.key) for column in Booking.__table__.columns if column.key != "id"}
    next_slot = session.scalars(select(Slot).where(Slot.service_id != session.get_one(Slot, row.slot_id).service_id))
    fields |= {"referral_id": other.id, "slot_id": next_slot.first().id, "reference": "TWICE1234567"}  # type: ignore[union-attr]
    session.add(Booking(**fields))


def practitioner_twice(session: Session, row: Booking) -> None:
    person = factories.PractitionerFactory._meta.model(organisation_id=1, identifier="X1", name="Dr Both")
    session.add(person)
    session.flush()
    session.execute(update(Slot).where(Slot.starts_at == row.starts_at).values(practitioner_id=person.id))


def off_its_worklist(session: Session, row: Booking) -> None:
    session.execute(
        update(Referral).where(Referral.id == row.referral_id).values(
            worklist=None, worklist_due=None, worklist_since=None, worklist_organisation_id=None
        )
    )  # fmt: skip


def on_a_strangers_worklist(session: Session, row: Booking) -> None:
    session.execute(
        update(Referral).where(Referral.id != row.referral_id).values(
            worklist=Worklist.AWAITING_BOOKING, worklist_organisation_id=session.get_one(Slot, row.slot_id).service_id
        )
    )  # fmt: skip


def not_shortlisted(session: Session, row: Booking) -> None:
    session.execute(delete(ReferralService).where(ReferralService.referral_id == row.referral_id))


def slot_moved(session: Session, row: Booking) -> None:
    slot = session.get_one(Slot, row.slot_id)
    slot.ends_at += timedelta(minutes=1)


def slot_withdrawn(session: Session, row: Booking) -> None:
    session.execute(update(Slot).where(Slot.id == row.slot_id).values(status=SlotStatus.WITHDRAWN))


def booked_in_the_past(session: Session, row: Booking) -> None:
    session.execute(update(Booking).where(Booking.id == row.id).values(booked_at=row.starts_at))


def confirmed_too_late(session: Session, row: Booking) -> None:
    session.execute(
        update(Booking).where(Booking.id == row.id).values(held_until=row.booked_at - timedelta(seconds=1))  # type: ignore[operator]
    )


def appointment_lost(session: Session, row: Booking) -> None:
    session.execute(
        update(Booking).where(Booking.id == row.id).values(state=BookingState.CANCELLED, released_at=row.booked_at)
    )


def key_without_answer(session: Session, row: Booking) -> None:
    session.add(IdempotencyRecord(principal="p", key="k", request_hash="h", created_at=row.created_at))


def state_set_by_hand(session: Session, row: Booking) -> None:
    session.execute(update(Referral).where(Referral.id != row.referral_id).values(state=ReferralState.REJECTED))


def unlisted_event(session: Session, row: Booking) -> None:
    session.execute(
        update(ReferralEvent).where(ReferralEvent.referral_id == row.referral_id, ReferralEvent.action == Action.BOOK)
        .values(action=Action.ACCEPT)
    )  # fmt: skip


def clock_set_by_hand(session: Session, row: Booking) -> None:
    session.execute(
        update(Referral).where(Referral.id == row.referral_id)
        .values(rtt_clock_state=ClockState.STOPPED, rtt_clock_stopped_on=row.created_at.date())
    )  # fmt: skip


def no_audit(session: Session, row: Booking) -> None:
    session.execute(delete(AuditEntry).where(AuditEntry.action == "referral.book"))


def audit_changed(session: Session, row: Booking) -> None:
    session.execute(update(AuditEntry).where(AuditEntry.action == "referral.book").values(actor="Nobody"))


def nobody_told(session: Session, row: Booking) -> None:
    session.execute(delete(OutboxMessage).where(OutboxMessage.kind == "appointment-booked"))


def message_stuck(session: Session, row: Booking) -> None:
    session.execute(
        update(OutboxMessage).values(created_at=row.created_at - invariants.OUTBOX_OVERDUE - timedelta(minutes=1))
    )


def wrong_day(session: Session, row: Booking) -> None:
    slot = session.get_one(Slot, row.slot_id)
    slot.local_date += timedelta(days=1)


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (two_on_one_place, ("places", 1)),
        (patient_twice, ("two_places", 2)),
        (practitioner_twice, ("two_places", 2)),
        (off_its_worklist, ("worklists", 4)),
        (on_a_strangers_worklist, ("worklists", 4)),
        (not_shortlisted, ("bookings", 5)),
        (slot_moved, ("bookings", 5)),
        (slot_withdrawn, ("bookings", 6)),
        (booked_in_the_past, ("bookings", 6)),
        (confirmed_too_late, ("bookings", 7)),
        (appointment_lost, ("booked_agrees", 8)),
        (key_without_answer, ("idempotency", 10)),
        (state_set_by_hand, ("histories", 11)),
        (unlisted_event, ("histories", 11)),
        (clock_set_by_hand, ("histories", 11)),
        (no_audit, ("audited", 12)),
        (audit_changed, ("chains", 13)),
        (nobody_told, ("told", 14)),
        (message_stuck, ("outbox", 15)),
        (wrong_day, ("local_times", 20)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_is_found(
    database: Database, work: Work, booked: Booking, plant: Callable[[Session, Booking], None],
    expected: tuple[str, int],
) -> None:  # fmt: skip
    with past_the_guards(database) as session:
        plant(session, booked)
        session.flush()
        assert expected in found(session, work)


def test_the_nightly_check_writes_each_fault_as_an_error(
    app: BookingApp, work: Work, booked: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = CapturingLogger()
    monkeypatch.setattr(tasks, "log", written)
    assert tasks.check_invariants(app) == len(invariants.CHECKS)
    work.session.execute(update(Referral).where(Referral.id == booked.referral_id).values(version=0))
    work.session.commit()
    with pytest.raises(tasks.InvariantBroken, match="1 fault"):
        tasks.check_invariants(app)
    assert [(call.method_name, call.args[0]) for call in written.calls] == [
        ("info", "invariants-checked"), ("error", "invariant-broken"), ("info", "invariants-checked"),
    ]  # fmt: skip
    assert written.calls[1].kwargs["where"] == f"referral {booked.referral_id}"
