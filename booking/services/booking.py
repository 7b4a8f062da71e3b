"""Choosing and booking: hold, book, cancel. The promise is here: what is answered "booked" is a row on a place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.orm import joinedload

from booking.domain.eligibility import why_slot_not
from booking.domain.errors import Conflict, FieldError, Forbidden, Invalid, NotFound, SlotNotAvailable, SlotTaken
from booking.domain.ids import new_booking_reference
from booking.domain.referral import Action, next_state
from booking.domain.words import PROVIDERS, REFERRERS, BookingMode, BookingState, HoldKind, OfferState, Role
from booking.models import Booking, Referral, ReferralService, Service, ServicePriority, Slot
from booking.services import freed, outbox, pencils, places
from booking.services.directory import booking_rules
from booking.services.referrals import lock_own_referral, lock_referral, must_be_responsible, own_referral
from booking.services.refusals import translated
from booking.services.transitions import Why, permit, transition
from booking.services.work import Work

_REFERENCE = re.compile(r"\s*[A-Za-z0-9]{1,12}\s*", re.ASCII)

BOOKING_DETAIL = (
    joinedload(Booking.slot).joinedload(Slot.site),
    joinedload(Booking.slot).joinedload(Slot.practitioner),
    joinedload(Booking.slot).joinedload(Slot.service).joinedload(Service.organisation),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The slot a patient chose, with its times as they were shown (domain rule 5)."""

    slot_id: int
    starts_at: datetime
    ends_at: datetime


BOOKING_STAFF = frozenset({Role.PROVIDER_CLINICIAN, Role.PROVIDER_ADMIN})
"""Provider staff who book for a patient: by telephone, or where booking is the provider's duty."""


def _may_choose(work: Work) -> None:
    if work.actor.role is not Role.PATIENT and work.actor.role not in REFERRERS | BOOKING_STAFF:
        raise Forbidden("Only the patient, or staff for them, chooses an appointment.")


def _may_book_there(work: Work, referral: Referral, slot: Slot) -> None:
    """A provider books for the patient at its own services only, and only where the referral is with it."""
    if work.actor.role in BOOKING_STAFF and slot.service.organisation_id != work.actor.organisation_id:
        raise SlotNotAvailable("This slot is not at one of your services.", code="NOT_YOURS")
    by_telephone = slot.service.booking_mode is BookingMode.INDIRECTLY_BOOKABLE
    if work.actor.role in BOOKING_STAFF and not by_telephone:
        must_be_responsible(work, referral)


def check_choice(work: Work, referral: Referral, slot: Slot, choice: Choice) -> None:
    """Rule 5 on a locked referral and slot: as offered, on the shortlist, bookable, in the window."""
    faults = [
        FieldError(name, "SLOT_CHANGED", f"The slot does not {verb} at that time.")
        for name, verb, fine in (
            ("starts_at", "start", choice.starts_at == slot.starts_at),
            ("ends_at", "end", choice.ends_at == slot.ends_at),
        )
        if not fine
    ]
    if faults:
        raise Invalid(*faults)
    _may_book_there(work, referral, slot)
    check_slot(work, referral, slot)


_WINDOW = (
    select(ReferralService.position, ServicePriority)
    .outerjoin(
        ServicePriority,
        (ServicePriority.service_id == ReferralService.service_id)
        & (ServicePriority.priority == bindparam("priority")),
    )
    .where(
        ReferralService.referral_id == bindparam("referral_id"),
        ReferralService.service_id == bindparam("service_id"),
    )
)


def check_slot(work: Work, referral: Referral, slot: Slot) -> None:
    """The slot is one this referral may be booked on now, free or not; :class:`SlotNotAvailable` says why not."""
    names = {"referral_id": referral.id, "service_id": slot.service_id, "priority": referral.priority}
    row = work.session.execute(_WINDOW, names).first()
    if row is None:
        raise SlotNotAvailable("This slot is not at a service of your shortlist.", code="NOT_SHORTLISTED")
    why = why_slot_not(
        booking_rules(slot.service, row[1]),
        by_telephone=work.actor.role in BOOKING_STAFF,
        slot_date=slot.local_date,
        slot_priorities=slot.priorities,
        slot_practitioner=slot.practitioner_id,
        priority=referral.priority,
        named_practitioner=referral.named_practitioner_id,
        date_of_birth=referral.patient.date_of_birth,
        sex=referral.patient.sex,
        today=work.today,
    )
    if why is not None:
        raise SlotNotAvailable(why[1], code=why[0])


def hold(work: Work, ubrn: str, choice: Choice) -> Booking:
    """Keep the chosen slot for the patient while they confirm. One such hold at a time."""
    _may_choose(work)
    referral = lock_referral(work, ubrn)
    next_state(referral.state, Action.BOOK)
    slot = places.lock_slot(work, choice.slot_id)
    check_choice(work, referral, slot, choice)
    existing = places.own_hold(places.occupancy(work, slot), referral)
    if (
        existing is not None
        and existing.held_until is not None
        and existing.held_until > work.now + timedelta(minutes=1)
    ):
        existing.slot, existing.referral = slot, referral
        return existing
    until = work.now + timedelta(minutes=work.config.hold_minutes)
    if existing is not None:  # in its last minute: go on keeping it
        existing.held_until = min(until, slot.starts_at)
        existing.slot, existing.referral = slot, referral
        return existing
    if pencils.offered_so(work, referral, slot.id) and not pencils.can_have(work, referral, slot.id):
        raise SlotTaken("Somebody else has just taken this time.")
    held = places.hold_place(work, referral, slot, HoldKind.CHOICE, until)
    held.slot, held.referral = slot, referral
    return held


def book(work: Work, ubrn: str, choice: Choice) -> Booking:
    """Book the chosen slot for the referral, in one transaction with its event, audit entry and message.

    Raises :class:`SlotTaken` or :class:`SlotNotAvailable` where the place is gone, :class:`AlreadyBooked`
    where the patient is elsewhere then, :class:`IllegalTransition` where the referral is not to be booked.
    """
    _may_choose(work)
    referral = lock_referral(work, ubrn)
    next_state(referral.state, Action.BOOK)
    slot = places.lock_slot(work, choice.slot_id)
    check_choice(work, referral, slot, choice)
    booked = _claim(work, referral, slot)
    places.release_holds(work, referral.id, except_id=booked.id)
    places.close_offers(work, referral.id, OfferState.SUPERSEDED, taken_slot=slot.id)
    referral.service_id = slot.service_id
    transition(
        work, referral, Action.BOOK, detail={"booking": booked.reference, "slot": slot.id}, appointment=slot.local_date
    )
    outbox.enqueue(
        work,
        "appointment-booked",
        f"booking:{booked.reference}:booked",
        {"ubrn": referral.ubrn, "reference": booked.reference},
        referral_id=referral.id,
    )
    freed.settle(work, referral)
    with translated():
        work.session.flush()
    return booked


def _claim(work: Work, referral: Referral, slot: Slot) -> Booking:
    """Turn the referral's own hold on the slot into the booking, or take a free place."""
    if slot.starts_at <= work.now:
        raise SlotNotAvailable("This time can no longer be booked.")
    live = places.occupancy(work, slot)
    booked = places.own_hold(live, referral) or places.new_booking(work, referral, slot, live)
    booked.slot, booked.referral = slot, referral
    booked.state = BookingState.BOOKED
    booked.booked_at = work.now
    booked.reference = new_booking_reference()
    with translated():
        work.session.flush()
    _displace(work, referral, slot)
    return booked


def _displace(work: Work, referral: Referral, slot: Slot) -> None:
    """Whoever was pencilled for the place just taken moves; :class:`SlotTaken` where nobody there can any more."""
    if not pencils.give_way(work, referral, slot):
        raise SlotTaken("Somebody else has just taken this time.")


def move(work: Work, reference: str, choice: Choice) -> Booking:
    """Book the chosen slot instead of the present one, in one transaction: the old place goes only if the new is had.

    By the patient, or the practice for them: a confirmed booking never moves without its patient.
    """
    booked, referral = lock_own_booking(work, reference)
    permit(work, referral, Action.MOVE_APPOINTMENT)
    must_be_ahead(work, booked)
    if choice.slot_id == booked.slot_id:
        raise Conflict("The appointment is at that time already.", code="SAME_SLOT")
    slots = {slot_id: places.lock_slot(work, slot_id) for slot_id in sorted((booked.slot_id, choice.slot_id))}
    slot = slots[choice.slot_id]
    check_choice(work, referral, slot, choice)
    booked.state, booked.released_at, booked.reason_code = BookingState.CANCELLED, work.now, "MOVED"
    work.session.flush()
    made = _claim(work, referral, slot)
    places.release_holds(work, referral.id, except_id=made.id)
    places.close_offers(work, referral.id, OfferState.SUPERSEDED, taken_slot=slot.id)
    referral.service_id = slot.service_id
    detail = {"booking": made.reference, "slot": slot.id, "instead_of": booked.reference}
    transition(work, referral, Action.MOVE_APPOINTMENT, detail=detail, appointment=slot.local_date)
    outbox.enqueue(
        work, "appointment-changed", f"booking:{made.reference}:booked",
        {"ubrn": referral.ubrn, "reference": made.reference}, referral_id=referral.id,
    )  # fmt: skip
    freed.settle(work, referral)
    freed.freed(work, booked.slot_id)
    with translated():
        work.session.flush()
    return made


def lock_own_booking(work: Work, reference: str) -> tuple[Booking, Referral]:
    """A live booking of the actor's and its referral, locked, as they are now."""
    booked, ubrn = _booking(work, reference)
    try:
        referral = lock_own_referral(work, ubrn)
    except NotFound:
        raise NotFound(_NO_BOOKING) from None
    work.session.refresh(booked, attribute_names=["state", "released_at"])
    return booked, referral


def must_be_ahead(work: Work, booked: Booking) -> None:
    if booked.state is not BookingState.BOOKED:
        raise NotFound("That booking was cancelled before.")
    if booked.starts_at <= work.now:
        raise Conflict("That appointment has begun or is over: it can't be changed any more.", code="APPOINTMENT_OVER")


def current_booking(work: Work, referral: Referral) -> Booking | None:
    """The referral's live appointment with slot, site and service loaded."""
    return work.session.scalars(
        select(Booking)
        .where(Booking.referral_id == referral.id, Booking.state == BookingState.BOOKED)
        .options(*BOOKING_DETAIL)
    ).first()


def own_booking(work: Work, reference: str) -> tuple[Booking, Referral]:
    """A booking by its reference, with the referral the actor may see; else :class:`NotFound`."""
    booked, ubrn = _booking(work, reference)
    try:
        return booked, own_referral(work, ubrn)
    except NotFound:
        raise NotFound(_NO_BOOKING) from None


_NO_BOOKING = "There is no such booking, or it is not yours."
_BY_REFERENCE = (
    select(Booking, Referral.ubrn)
    .join(Referral, Referral.id == Booking.referral_id)
    .where(Booking.reference == bindparam("reference"))
    .options(*BOOKING_DETAIL)
)


def _booking(work: Work, reference: str) -> tuple[Booking, str]:
    """A booking that is not another provider's, and its UBRN: whether the actor may see that is not asked."""
    if not _REFERENCE.fullmatch(reference):
        raise NotFound(_NO_BOOKING)
    row = work.session.execute(_BY_REFERENCE, {"reference": reference.strip().upper()}).first()
    if row is None:
        raise NotFound(_NO_BOOKING)
    booked: Booking = row[0]
    if work.actor.role in PROVIDERS and booked.slot.service.organisation_id != work.actor.organisation_id:
        raise NotFound(_NO_BOOKING)
    return booked, row[1]


def cancel_booking(work: Work, reference: str, *, reason: str, comment: str | None) -> Booking:
    """The patient (or the practice for them) gives the place back and may choose again (domain rule 8)."""
    booked, referral = lock_own_booking(work, reference)
    why = Why(reason, comment)
    next_state(referral.state, Action.CANCEL_APPOINTMENT_BY_PATIENT)
    must_be_ahead(work, booked)
    permit(work, referral, Action.CANCEL_APPOINTMENT_BY_PATIENT, why)
    booked.state, booked.released_at = BookingState.CANCELLED, work.now
    booked.reason_code, booked.comment = reason, comment
    transition(
        work,
        referral,
        Action.CANCEL_APPOINTMENT_BY_PATIENT,
        why,
        detail={"booking": booked.reference, "slot": booked.slot_id},
    )
    outbox.enqueue(
        work,
        "appointment-cancelled",
        f"booking:{booked.reference}:cancelled",
        {"ubrn": referral.ubrn, "reference": booked.reference},
        referral_id=referral.id,
    )
    work.session.flush()
    freed.freed(work, booked.slot_id)
    return booked
