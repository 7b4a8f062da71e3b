"""Who waits because nothing was free is offered the first time that appears, by order of need."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from booking.domain.referral import Action, ReferralState
from booking.domain.words import BookingState, HoldKind, Priority, SlotStatus, Worklist
from booking.edge.flask_app import BookingApp
from booking.jobs import tasks
from booking.models import Booking, OutboxMessage, PlanRequest, Referral, ReferralEvent, Slot
from booking.services import places, waiting
from booking.services.transitions import Why, transition
from booking.services.work import Work
from tests import factories
from tests.changes.conftest import Flask, as_patient, book, somebody
from tests.conftest import Rows
from tests.factories import Region

Later = Callable[..., Work]


@pytest.fixture
def full(work: Work, region: Region) -> Region:
    """Every slot is off: nothing is free."""
    work.session.execute(update(Slot).values(status=SlotStatus.WITHDRAWN))
    work.session.commit()
    return region


def deferred(work: Work, region: Region, **fields: Any) -> Referral:
    """Somebody who met no slot and went onto the provider's list."""
    referral = somebody(work, region, **fields)
    referral.service_id = region.services[0].id
    transition(as_patient(work, referral), referral, Action.DEFER_TO_PROVIDER, Why("NO_SLOTS"))
    return referral


def publish(work: Work, region: Region, count: int = 1) -> list[Slot]:
    made = factories.slots(work, region.services[0], work.now.replace(hour=9) + timedelta(days=6), count)
    work.session.commit()
    return made


def test_off_the_list_as_soon_as_a_slot_appears_the_neediest_first(
    work: Work, full: Region, running: BookingApp, rows: Rows
) -> None:
    routine, urgent = deferred(work, full), deferred(work, full, priority=Priority.URGENT)
    first = deferred(work, full)
    first.first_in_line_since = work.now
    work.session.commit()
    memory = waiting.Memory()
    assert tasks.offer_waiting(running, memory) == 0
    publish(work, full, 2)
    memory.stamp = None  # slots made by hand come with no publication
    memory.tried.clear()
    assert tasks.offer_waiting(running, memory) == 2
    held = {one.referral_id: one.slot_id for one in rows(select(Booking).where(Booking.state == BookingState.HELD))}
    assert set(held) == {urgent.id, first.id}
    states = {one.id: one for one in rows(select(Referral))}
    assert states[urgent.id].state is ReferralState.NOT_BOOKED
    assert states[urgent.id].worklist is not Worklist.APPOINTMENT_SLOT_ISSUES
    assert states[routine.id].worklist is Worklist.APPOINTMENT_SLOT_ISSUES
    told = rows(select(OutboxMessage.referral_id).where(OutboxMessage.kind == "slot-found"))
    assert sorted(told) == sorted([urgent.id, first.id])
    event = rows(select(ReferralEvent).where(ReferralEvent.referral_id == urgent.id))[-1]
    assert (event.action, event.role) == (Action.SLOT_FOUND, "SYSTEM")


def test_a_look_while_nothing_has_changed_reads_nothing_more(
    work: Work, full: Region, running: BookingApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    deferred(work, full)
    work.session.commit()
    memory = waiting.Memory()
    looks = []
    whole = waiting._waiting
    monkeypatch.setattr(waiting, "_waiting", lambda given: looks.append(1) or whole(given))
    for _ in range(3):
        tasks.offer_waiting(running, memory)
    assert len(looks) == 1


def test_who_is_found_nothing_is_tried_again_after_a_while(
    work: Work, full: Region, running: BookingApp, later: Later, rows: Rows
) -> None:
    """The free slot does not suit; minutes later another place comes free without any publication."""
    referral = deferred(work, full, patient={"unsuitable_times": 7 << 18})  # never on a Sunday
    sunday = publish(work, full)[0]
    assert sunday.starts_at.weekday() == 6
    monday = factories.slots(work, full.services[0], sunday.starts_at + timedelta(days=1), 1)[0]
    other = somebody(work, full)
    places.hold_place(work, other, monday, HoldKind.CHOICE, work.now + timedelta(minutes=10))
    work.session.commit()
    memory = waiting.Memory()
    assert tasks.offer_waiting(running, memory) == 0
    assert tasks.offer_waiting(running, memory) == 0
    with running.database.unit_of_work() as session:
        session.execute(
            update(Booking)
            .where(Booking.slot_id == monday.id)
            .values(state=BookingState.EXPIRED, released_at=running.clock())
        )
    assert tasks.offer_waiting(running, memory) == 0  # tried a moment ago
    later(minutes=6)
    assert tasks.offer_waiting(running, memory) == 1
    made = rows(select(Booking.slot_id).where(Booking.referral_id == referral.id))
    assert made == [monday.id]


def test_a_cancelled_appointment_that_no_plan_served_is_not_forgotten(
    work: Work, region: Region, running: BookingApp, flask: Flask, rows: Rows, later: Later
) -> None:
    from booking.domain.words import Role
    from booking.services import clinics

    referral = somebody(work, region)
    reference = book(work, referral, region.slots[0]).reference
    work.session.execute(update(Slot).where(Slot.id != region.slots[0].id).values(status=SlotStatus.WITHDRAWN))
    work.session.commit()
    acting = factories.acting(work, Role.PROVIDER_ADMIN, region.provider)
    clinics.cancel_one(acting, str(reference), reason="CLINIC_CANCELLED", comment=None, withdraw_slot=True)
    work.session.commit()
    publish(work, region)
    memory = waiting.Memory()
    assert tasks.offer_waiting(running, memory) == 0  # the plan asked for has the first go
    work.session.execute(update(PlanRequest).values(done_at=work.now))
    work.session.commit()
    memory = waiting.Memory()
    assert tasks.offer_waiting(running, memory) == 1
    assert rows(select(Referral.state)) == [ReferralState.APPT_CANCELLED_BY_PROVIDER]  # until they book
    assert rows(select(Referral.worklist)) == [Worklist.APPOINTMENTS_FOR_BOOKING]


def test_the_nightly_plan_takes_the_deferred_off_the_list_too(
    work: Work, full: Region, flask: Flask, rows: Rows
) -> None:
    referral, other = deferred(work, full), somebody(work, full)
    publish(work, full, 2)
    flask("plan")
    assert sorted(rows(select(Booking.referral_id))) == [referral.id, other.id]
    assert set(rows(select(Referral.state))) == {ReferralState.NOT_BOOKED}
    events = rows(select(ReferralEvent.action).where(ReferralEvent.referral_id == referral.id))
    assert events == [Action.ISSUE, Action.DEFER_TO_PROVIDER, Action.SLOT_FOUND]
