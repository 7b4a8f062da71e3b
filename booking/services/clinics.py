"""A provider cancels a clinic, a day, or one appointment: whom it touches is shown first, then all or nothing.

Locks are taken referrals first, by key, then slots, by key: the order in which everybody books. Who is booking one
of the places at that moment either commits first, and is then found by the second reading, or finds the slot gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import Row, Select, select, update
from sqlalchemy.orm import joinedload

from booking.domain.actions import check_action
from booking.domain.clock import weeks_waited
from booking.domain.errors import Conflict, FieldError, Invalid, NotFound
from booking.domain.reasons import WRONG_CLINIC
from booking.domain.referral import Action
from booking.domain.words import BookingState, ClockState, HoldKind, Priority, SlotStatus
from booking.models import Booking, ClinicCancellation, Patient, Practitioner, Referral, Service, Slot
from booking.services import audit, freed, outbox
from booking.services.booking import lock_own_booking, must_be_ahead
from booking.services.publishing import on_dates
from booking.services.refusals import translated
from booking.services.shortlists import strike
from booking.services.slot_endings import end_holds, request_plan
from booking.services.slot_writing import lock_slots
from booking.services.transitions import Why, permit, transition
from booking.services.work import Work

MOST_SLOTS = 2000
"""In one cancellation: a month of a large clinic. Whoever needs more cancels twice."""
ACTION = Action.CANCEL_APPOINTMENT_BY_PROVIDER


@dataclass(frozen=True, slots=True)
class Selection:
    """Which slots: by their keys, or those of a service on some dates, narrowed as given."""

    slot_ids: tuple[int, ...] = ()
    service_id: int | None = None
    first_date: date | None = None
    last_date: date | None = None
    """Included; the first date if left out."""
    starts: time | None = None
    ends: time | None = None
    """Slots that start from ``starts`` on and before ``ends``, by the clock at the site."""
    site_id: int | None = None
    practitioner: str | None = None
    """Professional identifier."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A referral on a place of a selected slot; ``reference`` is None for a time that is only kept."""

    booking_id: int
    referral_id: int
    slot_id: int
    ubrn: str
    reference: str | None
    state: BookingState
    starts_at: datetime
    time_zone: str
    kept_as: HoldKind | None
    given_name: str
    family_name: str
    priority: Priority
    weeks_waited: int
    due_date: date
    interpreter: str | None
    step_free: bool


@dataclass(frozen=True, slots=True)
class Reach:
    """What a cancellation would touch now."""

    slots: list[Slot]
    appointments: list[Touched]
    kept: list[Touched]
    free_places: int

    @property
    def digest(self) -> str:
        """Changes as soon as a slot, or anybody on one, does."""
        content = [
            sorted([slot.id, slot.version, str(slot.status)] for slot in self.slots),
            sorted([one.booking_id, str(one.state)] for one in (*self.appointments, *self.kept)),
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def preview(work: Work, selection: Selection) -> Reach:
    """Whom cancelling these slots would touch. Raises :class:`NotFound` for slots or services not the caller's."""
    slots = _slots(work, selection)
    by_id = {slot.id: slot for slot in slots}
    rows = list(work.session.execute(_on_places(list(by_id), work.now)))
    found = [_touched(work, row, by_id[row.slot_id]) for row in rows]
    booked = [one for one in found if one.state is BookingState.BOOKED]
    kept = [one for one in found if one.state is BookingState.HELD]
    places = sum(slot.capacity for slot in slots if slot.status is SlotStatus.PUBLISHED)
    taken = sum(by_id[one.slot_id].status is SlotStatus.PUBLISHED for one in found)
    return Reach(slots, booked, kept, max(0, places - taken))


def _slots(work: Work, wanted: Selection) -> list[Slot]:
    """The caller's selected slots that have not begun, by key; withdrawn ones are left out."""
    query = (
        select(Slot)
        .join(Service, Service.id == Slot.service_id)
        .where(
            Service.organisation_id == work.actor.organisation_id,
            Slot.status != SlotStatus.WITHDRAWN, Slot.starts_at > work.now,
        )
        .options(joinedload(Slot.service), joinedload(Slot.site), joinedload(Slot.practitioner))
        .order_by(Slot.id)
        .limit(MOST_SLOTS + 1)
        .execution_options(populate_existing=True)
    )  # fmt: skip
    query = _by_key(work, query, wanted.slot_ids) if wanted.slot_ids else _by_clinic(work, query, wanted)
    slots = list(work.session.scalars(query))
    if len(slots) > MOST_SLOTS:
        raise Invalid.field("last_date", "TOO_MANY", f"These are more than {MOST_SLOTS} slots: cancel them in parts.")
    return [slot for slot in slots if _at_that_time(slot, wanted)]


def _by_key(work: Work, query: Select[Slot], ids: tuple[int, ...]) -> Select[Slot]:
    own = select(Slot.id).join(Service, Service.id == Slot.service_id)
    mine = own.where(Service.organisation_id == work.actor.organisation_id, Slot.id.in_(ids))
    if set(work.session.scalars(mine)) != set(ids):
        raise NotFound("One of these slots does not exist, or is not yours.")
    return query.where(Slot.id.in_(ids))


def _by_clinic(work: Work, query: Select[Slot], wanted: Selection) -> Select[Slot]:
    own = select(Service.id).where(Service.organisation_id == work.actor.organisation_id)
    if work.session.scalar(own.where(Service.id == wanted.service_id)) is None:
        raise NotFound("There is no such service, or it is not yours.")
    if wanted.first_date is None:
        raise Invalid.field("first_date", "REQUIRED", "Name the dates, or the slots.")
    last = wanted.last_date or wanted.first_date
    if last < wanted.first_date:
        raise Invalid.field("last_date", "BEFORE_FIRST", "The last date is before the first.")
    query = query.where(Slot.service_id == wanted.service_id, on_dates(wanted.first_date, last))
    if wanted.site_id is not None:
        query = query.where(Slot.site_id == wanted.site_id)
    if wanted.practitioner is not None:
        which = select(Practitioner.id).where(Practitioner.identifier == wanted.practitioner)
        query = query.where(Slot.practitioner_id.in_(which))
    return query


def _at_that_time(slot: Slot, wanted: Selection) -> bool:
    local = slot.starts_at.astimezone(ZoneInfo(slot.time_zone)).time()
    return (wanted.starts is None or local >= wanted.starts) and (wanted.ends is None or local < wanted.ends)


def _on_places(slot_ids: Sequence[int], now: datetime) -> Select[*tuple[object, ...]]:
    """Who is booked on the slots, or has a place of them kept, by start."""
    return (
        select(
            Booking.id.label("booking_id"), Booking.slot_id, Booking.reference, Booking.state, Booking.starts_at,
            Booking.hold_kind, Referral.id.label("referral_id"), Referral.ubrn, Referral.priority,
            Referral.rtt_clock_start, Referral.rtt_clock_state, Referral.rtt_clock_stopped_on, Referral.due_date,
            Patient.given_name, Patient.family_name, Patient.interpreter_language, Patient.step_free,
        )
        .join(Referral, Referral.id == Booking.referral_id)
        .join(Patient, Patient.id == Referral.patient_id)
        .where(
            Booking.slot_id.in_(slot_ids),
            (Booking.state == BookingState.BOOKED)
            | ((Booking.state == BookingState.HELD) & (Booking.held_until > now)),
        )
        .order_by(Booking.starts_at, Booking.id)
    )  # fmt: skip


def _touched(work: Work, row: Row[*tuple[object, ...]], slot: Slot) -> Touched:
    clock: ClockState = row.rtt_clock_state
    return Touched(
        booking_id=row.booking_id, referral_id=row.referral_id, slot_id=row.slot_id, ubrn=row.ubrn,
        reference=row.reference, state=row.state, starts_at=row.starts_at, time_zone=slot.time_zone,
        kept_as=row.hold_kind if row.state is BookingState.HELD else None, given_name=row.given_name,
        family_name=row.family_name, priority=row.priority,
        weeks_waited=weeks_waited(row.rtt_clock_start, clock, row.rtt_clock_stopped_on, work.today),
        due_date=row.due_date, interpreter=row.interpreter_language, step_free=row.step_free,
    )  # fmt: skip


def cancel(work: Work, selection: Selection, *, digest: str, reason: str, comment: str | None) -> ClinicCancellation:
    """Cancel what was previewed: every appointment, every time kept, every slot; or nothing.

    Raises :class:`Conflict` where a slot or somebody on one has changed since the preview that gave ``digest``.
    """
    why = Why(reason, comment)
    check_action(ACTION, role=work.actor.role, reason=reason, comment=comment, on=work.today)
    seen = preview(work, selection)
    if not seen.slots:
        raise Invalid(FieldError("slot_ids", "NOTHING_SELECTED", "There is no slot to come among these."))
    _must_agree(seen, digest)
    referrals = _lock_referrals(work, {one.referral_id for one in (*seen.appointments, *seen.kept)})
    lock_slots(work, [slot.id for slot in seen.slots])
    reach = preview(work, selection)
    _must_agree(reach, digest)
    made = ClinicCancellation(
        organisation_id=work.actor.organisation_id, reason_code=reason, comment=comment, cancelled_at=work.now,
        cancelled_by=work.actor.name, slots=len(reach.slots), appointments=len(reach.appointments),
    )  # fmt: skip
    work.session.add(made)
    work.session.flush()
    rows = _bookings(work, [one.booking_id for one in reach.appointments])
    _cancel_appointments(work, [(row, referrals[row.referral_id]) for row in rows], why, clinic=made.id)
    slot_ids = [slot.id for slot in reach.slots]
    end_holds(work, slot_ids)
    _take_off(work, slot_ids)
    request = request_plan(work, referrals, "A clinic was cancelled")
    made.plan_request_id = request.id if request is not None else None
    audit.record(
        work, f"clinic-cancellation:{made.id}", "clinic.cancel",
        after={
            "slots": slot_ids, "appointments": made.appointments, "kept": len(reach.kept), "reason": reason,
            "digest": digest,
        },
    )  # fmt: skip
    with translated():
        work.session.flush()
    return made


def _must_agree(reach: Reach, digest: str) -> None:
    if reach.digest != digest:
        raise Conflict("Something has changed since the preview: look again at whom it touches.", code="CLINIC_CHANGED")


def _lock_referrals(work: Work, ids: set[int]) -> dict[int, Referral]:
    query = select(Referral).where(Referral.id.in_(sorted(ids))).order_by(Referral.id)
    with translated():
        found = work.session.scalars(query.with_for_update(of=Referral).execution_options(populate_existing=True)).all()
    return {referral.id: referral for referral in found}


def _bookings(work: Work, ids: Sequence[int]) -> list[Booking]:
    query = select(Booking).where(Booking.id.in_(ids)).order_by(Booking.id)
    return list(work.session.scalars(query.execution_options(populate_existing=True)))


def _cancel_appointments(
    work: Work, pairs: Sequence[tuple[Booking, Referral]], why: Why, *, clinic: int | None = None
) -> None:
    """Let go of booked places of locked referrals, with event, worklist, audit entry and message for each.

    Written in bulk at the end: nothing is flushed between one referral and the next.
    """
    with work.session.no_autoflush:
        for booked, referral in pairs:
            booked.state, booked.released_at = BookingState.CANCELLED, work.now
            booked.reason_code, booked.comment = why.reason, why.comment
            detail = {"booking": booked.reference, "slot": booked.slot_id}
            transition(work, referral, ACTION, why, detail=detail if clinic is None else {**detail, "clinic": clinic})
            outbox.enqueue(
                work, "appointment-cancelled-by-provider", f"booking:{booked.reference}:cancelled",
                {"ubrn": referral.ubrn, "reference": booked.reference, "reason": why.reason},
                referral_id=referral.id,
            )  # fmt: skip
    work.session.flush()


def _take_off(work: Work, slot_ids: Sequence[int]) -> None:
    """WITHDRAWN, so that nobody is ever put there again; CLOSED where somebody has been seen there already."""
    staying = set(
        work.session.scalars(
            select(Booking.slot_id).where(Booking.slot_id.in_(slot_ids), Booking.released_at.is_(None))
        )
    )
    for status, ids in (
        (SlotStatus.WITHDRAWN, [key for key in slot_ids if key not in staying]),
        (SlotStatus.CLOSED, sorted(staying)),
    ):
        if ids:
            work.session.execute(
                update(Slot)
                .where(Slot.id.in_(ids))
                .values(status=status, version=Slot.version + 1)
                .execution_options(synchronize_session=False)
            )


def cancel_one(
    work: Work, reference: str, *, reason: str, comment: str | None, withdraw_slot: bool
) -> tuple[Booking, Referral]:
    """Cancel one appointment at a service of the caller's; its slot goes too, or its place to whom it helps most."""
    booked, referral = lock_own_booking(work, reference)
    why = Why(reason, comment)
    permit(work, referral, ACTION, why)
    must_be_ahead(work, booked)
    again = {referral.id}
    lock_slots(work, [booked.slot_id])
    _cancel_appointments(work, [(booked, referral)], why)
    if reason == WRONG_CLINIC:
        strike(work, referral, booked.slot.service_id)
    if withdraw_slot:
        again |= {hold.referral_id for hold in end_holds(work, [booked.slot_id])}
        _take_off(work, [booked.slot_id])
    request_plan(work, again, "The provider cancelled an appointment")
    if not withdraw_slot:
        freed.freed(work, booked.slot_id)
    with translated():
        work.session.flush()
    return booked, referral
