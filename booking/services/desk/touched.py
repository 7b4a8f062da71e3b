"""Whom a cancelled clinic touches: where each of them could be seen instead, before; and what became of each, after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from booking.domain.eligibility import PRIORITY_BIT
from booking.domain.errors import NotFound
from booking.domain.referral import ReferralState
from booking.domain.words import BookingState, HoldKind, Priority
from booking.models import (
    AuditEntry,
    Booking,
    ClinicCancellation,
    Patient,
    Referral,
    ReferralService,
    Slot,
)
from booking.services import candidates
from booking.services.candidates import Found
from booking.services.clinics import Reach, Touched
from booking.services.desk.suggestions import load
from booking.services.directory import LOADED
from booking.services.slots import SLOT_DETAIL
from booking.services.work import Work

MOST_LOOKED_AT = 25
"""For so many patients another time is looked for as the page is made: those with the greatest need first."""
LOOKED_AT = 30


@dataclass(frozen=True, slots=True)
class Seats:
    """Another time for each patient as far as it was looked for, by referral; None where nothing suits."""

    times: dict[int, Slot | None]

    @property
    def nothing(self) -> int:
        return sum(slot is None for slot in self.times.values())


def seats(work: Work, reach: Reach) -> Seats:
    """A free time for one after another, the greatest need first, each place given once. Nothing is kept."""
    gone = {slot.id for slot in reach.slots}
    asked = sorted(reach.appointments, key=_need)[:MOST_LOOKED_AT]
    referrals = _loaded(work, [one.referral_id for one in asked])
    given: dict[int, int] = {}
    taken: dict[int, int] = {}
    wishes = candidates.wishes_of(work, [referrals[one.referral_id] for one in asked])
    for one, found in zip(asked, candidates.find_each(work, wishes, per_service=LOOKED_AT), strict=True):
        seat = next((slot for slot in found if slot.id not in gone and _spare(slot, taken) > 0), None)
        if seat is not None:
            given[one.referral_id], taken[seat.id] = seat.id, taken.get(seat.id, 0) + 1
    slots = {slot.id: slot for slot in load(work, set(given.values()))}
    return Seats({one.referral_id: slots.get(given.get(one.referral_id, 0)) for one in asked})


def _need(one: Touched) -> tuple[int, datetime, int]:
    return -PRIORITY_BIT[Priority(one.priority)], datetime.combine(one.due_date, datetime.min.time()), one.referral_id


def _spare(slot: Found, taken: dict[int, int]) -> int:
    return slot.spare - taken.get(slot.id, 0)


def _loaded(work: Work, ids: Sequence[int]) -> dict[int, Referral]:
    found = work.session.scalars(
        select(Referral).where(Referral.id.in_(ids)).options(joinedload(Referral.patient))
    )  # fmt: skip
    return {one.id: one for one in found}


def with_shortlists(work: Work, ids: Sequence[int]) -> list[Referral]:
    """Referrals with patient and shortlist, in the order given."""
    query = (
        select(Referral)
        .where(Referral.id.in_(ids))
        .options(
            joinedload(Referral.patient),
            selectinload(Referral.shortlist).joinedload(ReferralService.service).options(*LOADED),
        )
    )
    found = {one.id: one for one in work.session.scalars(query).unique()}
    return [found[key] for key in ids if key in found]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Somebody whose appointment was cancelled with a clinic, and where they stand now."""

    booking_id: int
    ubrn: str
    patient: str
    priority: Priority
    was_at: datetime
    time_zone: str
    state: ReferralState
    now_at: Slot | None
    """Booked again, or kept for them."""
    booked: bool
    due: date | None


def own_cancellation(work: Work, cancellation_id: int) -> ClinicCancellation:
    """A cancellation of the actor's organisation; else :class:`NotFound`."""
    found = work.session.get(ClinicCancellation, cancellation_id)
    if found is None or found.organisation_id != work.actor.organisation_id:
        raise NotFound("There is no such cancellation, or it is not yours.")
    return found


def cancelled_already(work: Work, digest: str) -> ClinicCancellation | None:
    """The latest cancellation of exactly what this preview showed: where the page was sent twice."""
    recent = {f"clinic-cancellation:{one.id}": one for one in recent_cancellations(work, most=50)}
    query = select(AuditEntry.chain, AuditEntry.after).where(
        AuditEntry.chain.in_(recent), AuditEntry.action == "clinic.cancel"
    )
    for row in work.rows(query).all():
        if digest and row.after.get("digest") == digest:
            return recent[row.chain]
    return None


def recent_cancellations(work: Work, *, most: int = 5) -> Sequence[ClinicCancellation]:
    """The latest of the actor's organisation, newest first."""
    own = ClinicCancellation.organisation_id == work.actor.organisation_id
    query = select(ClinicCancellation).where(own).order_by(ClinicCancellation.id.desc())
    return list(work.session.scalars(query.limit(most)))


def outcomes(work: Work, of: ClinicCancellation, *, after: int = 0, most: int = 50) -> list[Outcome]:
    """What became of those who were booked, in the order in which they had been, paged by booking."""
    slot_ids = _slots_of(work, of)
    query = (
        select(Booking, Referral, Patient, Slot.time_zone)
        .join(Referral, Referral.id == Booking.referral_id)
        .join(Patient, Patient.id == Booking.patient_id)
        .join(Slot, Slot.id == Booking.slot_id)
        .where(
            Booking.slot_id.in_(slot_ids), Booking.state == BookingState.CANCELLED, Booking.booked_at.is_not(None),
            Booking.released_at == of.cancelled_at, Booking.id > after,
        )
        .order_by(Booking.id)
        .limit(most)
    )  # fmt: skip
    rows = work.session.execute(query).all()
    now = _now_at(work, [row[1].id for row in rows])
    return [
        Outcome(
            booking_id=booked.id, ubrn=referral.ubrn, patient=f"{patient.given_name} {patient.family_name}",
            priority=referral.priority, was_at=booked.starts_at, time_zone=zone, state=referral.state,
            now_at=now[referral.id].slot if referral.id in now else None,
            booked=referral.id in now and now[referral.id].state is BookingState.BOOKED, due=referral.worklist_due,
        )
        for booked, referral, patient, zone in rows
    ]  # fmt: skip


def _slots_of(work: Work, of: ClinicCancellation) -> list[int]:
    """As the audit trail has them: the cancellation itself says how many, not which."""
    query = select(AuditEntry.after).where(
        AuditEntry.chain == f"clinic-cancellation:{of.id}", AuditEntry.action == "clinic.cancel"
    )
    written = work.session.scalar(query.limit(1)) or {}
    return [int(key) for key in written.get("slots", ())]


def _now_at(work: Work, referral_ids: Sequence[int]) -> dict[int, Booking]:
    """The appointment each referral has now, or the time that is kept for it."""
    kept = (Booking.state == BookingState.HELD) & (Booking.held_until > work.now) & (
        Booking.hold_kind != HoldKind.CHOICE
    )  # fmt: skip
    query = (
        select(Booking)
        .where(Booking.referral_id.in_(referral_ids), (Booking.state == BookingState.BOOKED) | kept)
        .options(*(joinedload(Booking.slot).options(one) for one in SLOT_DETAIL))
    )
    rows = work.session.scalars(query).unique().all()
    # Later ones win: the soonest of those kept, and before all the one that is booked.
    ranked = sorted(rows, key=lambda one: (one.state is BookingState.BOOKED, -one.starts_at.timestamp()))
    return {one.referral_id: one for one in ranked}
