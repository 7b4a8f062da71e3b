"""What the database refuses by itself, whatever the program does: each written past the services, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from booking.domain.words import BookingState, HoldKind, SlotStatus
from booking.models import AuditEntry, Booking, Referral, ReferralEvent, Slot
from booking.services.refusals import constraint_name
from booking.services.work import Work
from tests import factories
from tests.factories import Region


def insert(
    work: Work, slot: Slot, referral: Referral, state: BookingState = BookingState.BOOKED, **changes: Any
) -> Booking:
    """A row in ``booking`` by hand."""
    booked = state is not BookingState.HELD
    row = Booking(
        **{
            "reference": f"R{slot.id}-{referral.id}" if booked else None,
            "referral_id": referral.id,
            "patient_id": referral.patient_id,
            "slot_id": slot.id,
            "place": 1,
            "starts_at": slot.starts_at,
            "ends_at": slot.ends_at,
            "state": state,
            "created_at": work.now,
            "booked_at": work.now if booked else None,
            "hold_kind": None if booked else HoldKind.OFFER,
            "held_until": None if booked else work.now + timedelta(days=1),
            **changes,
        }
    )
    work.session.add(row)
    work.session.flush()
    return row


def refused(work: Work, by: str, action: Any, *args: Any, **kwargs: Any) -> None:
    """The action fails, and by that constraint."""
    with pytest.raises(DBAPIError) as caught, work.session.begin_nested():
        action(work, *args, **kwargs)
    assert isinstance(caught.value, IntegrityError)
    assert by in constraint_name(caught.value)


@pytest.fixture
def two(work: Work, region: Region) -> tuple[Referral, Referral]:
    first, _ = factories.referral(work, region)
    other = factories.PatientFactory(practice_id=region.practice.id)
    second, _ = factories.referral(work, region, patient=other)
    return first, second


def test_two_live_bookings_of_one_place(work: Work, region: Region, two: tuple[Referral, Referral]) -> None:
    insert(work, region.slots[0], two[0])
    refused(work, "uq_booking_live_place", insert, region.slots[0], two[1])


def test_a_booking_on_a_held_place(work: Work, region: Region, two: tuple[Referral, Referral]) -> None:
    insert(work, region.slots[0], two[0], BookingState.HELD)
    refused(work, "uq_booking_live_place", insert, region.slots[0], two[1])


def test_a_released_place_can_be_taken_again(work: Work, region: Region, two: tuple[Referral, Referral]) -> None:
    first = insert(work, region.slots[0], two[0])
    first.state, first.released_at = BookingState.CANCELLED, work.now
    work.session.flush()
    insert(work, region.slots[0], two[1])


def test_two_live_appointments_of_one_referral(work: Work, region: Region, two: tuple[Referral, Referral]) -> None:
    insert(work, region.slots[0], two[0])
    refused(work, "uq_booking_live_appointment", insert, region.slots[8], two[0])


def test_a_patient_in_two_places_at_once(work: Work, region: Region, two: tuple[Referral, Referral]) -> None:
    again, _ = factories.referral(work, region)  # the same patient's second referral
    insert(work, region.slots[0], two[0])
    same_time = region.slots[30]  # the other provider's first slot: the same minute
    assert same_time.starts_at == region.slots[0].starts_at
    refused(work, "patient_in_two_places", insert, same_time, again)
    insert(work, region.slots[31], again)  # twenty minutes later: one ends as the other starts


def test_a_practitioner_in_two_places_at_once(work: Work, region: Region) -> None:
    clinician = factories.PractitionerFactory(organisation_id=region.provider.id)
    one, other = region.slots[0], region.slots[30]
    one.practitioner_id = clinician.id
    work.session.flush()

    def assign(work: Work) -> None:
        work.session.execute(update(Slot).where(Slot.id == other.id).values(practitioner_id=clinician.id))

    refused(work, "practitioner_in_two_places", assign)
    refused(
        work,
        "practitioner_in_two_places",
        lambda w: factories.slots(
            w, region.services[1], one.starts_at + timedelta(minutes=10), 1, practitioner_id=clinician.id
        ),
    )
    one.status = SlotStatus.WITHDRAWN
    work.session.flush()
    assign(work)


def test_a_place_the_slot_does_not_have(work: Work, region: Region, two: tuple[Referral, Referral]) -> None:
    refused(work, "slot_not_open", insert, region.slots[0], two[0], place=2)
    refused(work, "place", insert, region.slots[0], two[0], place=0)


def test_another_time_than_the_slots(work: Work, region: Region, two: tuple[Referral, Referral]) -> None:
    slot = region.slots[0]
    refused(work, "slot_not_open", insert, slot, two[0], starts_at=slot.starts_at - timedelta(minutes=5))


def test_a_withdrawn_slot(work: Work, region: Region, two: tuple[Referral, Referral]) -> None:
    slot = region.slots[0]
    slot.capacity = 2
    held = insert(work, slot, two[0], BookingState.HELD)
    slot.status = SlotStatus.CLOSED
    work.session.flush()
    refused(work, "slot_not_open", insert, slot, two[1], place=2)

    def confirm(work: Work) -> None:
        values = {"state": BookingState.BOOKED, "booked_at": work.now, "reference": "R1"}
        work.session.execute(update(Booking).where(Booking.id == held.id).values(values))

    refused(work, "slot_not_open", confirm)


def test_somebody_elses_referral(work: Work, region: Region, two: tuple[Referral, Referral]) -> None:
    refused(work, "patient_of_referral", insert, region.slots[0], two[0], patient_id=two[1].patient_id)


@pytest.mark.parametrize(
    "change",
    [
        {"starts_at": "later"},
        {"ends_at": "later"},
        {"practitioner_id": "somebody"},
        {"status": SlotStatus.WITHDRAWN},
        {"service_id": "other"},
        {"mode": "VIDEO"},
    ],
)
def test_a_booked_slot_is_not_altered(
    work: Work, region: Region, two: tuple[Referral, Referral], change: dict[str, Any]
) -> None:
    slot = region.slots[0]
    insert(work, slot, two[0])
    values = {
        "later": slot.ends_at + timedelta(minutes=-1 if "starts_at" in change else 1),
        "somebody": factories.PractitionerFactory(organisation_id=region.provider.id).id,
        "other": region.services[1].id,
    }
    new = {name: values.get(value, value) for name, value in change.items()}

    def alter(work: Work) -> None:
        work.session.execute(update(Slot).where(Slot.id == slot.id).values(new))

    refused(work, "slot_is_booked", alter)


def test_capacity_below_a_booked_place(work: Work, region: Region, two: tuple[Referral, Referral]) -> None:
    slot = factories.slots(work, region.services[0], work.now + timedelta(days=9), 1, capacity=3)[0]
    insert(work, slot, two[0], place=2)

    def shrink(work: Work, to: int) -> None:
        work.session.execute(update(Slot).where(Slot.id == slot.id).values(capacity=to))

    shrink(work, 2)
    refused(work, "slot_is_booked", shrink, 1)


def test_a_booking_is_not_moved_or_revived(work: Work, region: Region, two: tuple[Referral, Referral]) -> None:
    row = insert(work, region.slots[0], two[0])

    def change(work: Work, **values: Any) -> None:
        work.session.execute(update(Booking).where(Booking.id == row.id).values(values))

    refused(work, "booking_is_fixed", change, slot_id=region.slots[1].id)
    refused(work, "booking_is_fixed", change, reference="OTHER")
    change(work, state=BookingState.CANCELLED, released_at=work.now)
    refused(work, "booking_is_fixed", change, state=BookingState.BOOKED, released_at=None)


@pytest.mark.parametrize(
    ("by", "changes"),
    [
        ("released", {"released_at": "now"}),
        ("held", {"state": BookingState.HELD, "held_until": None}),
        ("booked", {"booked_at": None}),
        ("reference", {"reference": None}),
        ("booked", {"state": BookingState.HELD, "booked_at": "now", "reference": "R1"}),
    ],
)
def test_an_impossible_booking(
    work: Work, region: Region, two: tuple[Referral, Referral], by: str, changes: dict[str, Any]
) -> None:
    values = {name: work.now if value == "now" else value for name, value in changes.items()}
    refused(work, f"ck_booking_{by}", insert, region.slots[0], two[0], **values)


def test_a_slot_that_ends_before_it_starts(work: Work, region: Region) -> None:
    start = work.now + timedelta(days=8)

    def make(work: Work, minutes: int) -> None:
        factories.slots(work, region.services[0], start, 1, ends_at=start + timedelta(minutes=minutes))

    refused(work, "ends_after_start", make, -20)
    refused(work, "ends_after_start", make, 0)
    refused(work, "slot_duration", make, 25 * 60)


def test_a_state_that_does_not_exist(work: Work, region: Region, two: tuple[Referral, Referral]) -> None:
    def write(work: Work) -> None:
        work.session.execute(text("UPDATE referral SET state = 'LOST' WHERE id = :id"), {"id": two[0].id})

    refused(work, "ck_referral_referralstate", write)


@pytest.mark.parametrize("table", [AuditEntry, ReferralEvent])
def test_history_is_append_only(work: Work, region: Region, two: tuple[Referral, Referral], table: Any) -> None:
    refused(work, "append_only", lambda w: w.session.execute(update(table).values(actor="somebody else")))
    refused(work, "append_only", lambda w: w.session.execute(delete(table)))


def test_a_service_name_twice_at_one_provider(work: Work, region: Region) -> None:
    one = region.services[0]
    site = factories.SiteFactory(organisation_id=one.organisation_id)
    refused(work, "service", lambda w: factories.service(w, region.provider, site, name=one.name))
