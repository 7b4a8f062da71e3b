"""The provider's: review, triage, redirect, act later."""

from __future__ import annotations

from booking.domain.reasons import WRONG_CLINIC
from booking.domain.referral import Action
from booking.domain.words import (
    BookingMode,
)
from booking.models import Referral
from booking.services import places
from booking.services.booking import current_booking
from booking.services.life.pieces import (
    Given,
    chosen,
    give_back,
    let_go,
    live,
    must_be_ahead,
    offer_now,
    set_priority,
    set_shortlist,
    tell,
)
from booking.services.shortlists import strike
from booking.services.transitions import transition
from booking.services.work import Work


def accept(work: Work, referral: Referral, given: Given) -> None:
    booked = live(work, referral)
    must_be_ahead(work, booked)  # else accepting again and again would put off the day it is due for ever
    transition(work, referral, Action.ACCEPT, given.why, appointment=booked.slot.local_date)


def reject(work: Work, referral: Referral, given: Given) -> None:
    """The appointment goes with it; one that has begun is not rejected but attended, or not."""
    booked = current_booking(work, referral)
    if booked is not None:
        must_be_ahead(work, booked)
    slot_ids = places.booked_ahead(work, referral)
    places.release_everything(work, referral, reason_code=given.reason or "REJECTED")
    transition(work, referral, Action.REJECT, given.why)
    give_back(work, referral, slot_ids)
    tell(work, referral, "referral-returned", reference=booked.reference if booked is not None else None)


def triage_accept(work: Work, referral: Referral, given: Given) -> None:
    if given.priority is not None:
        set_priority(work, referral, given.priority)
    let_go(work, referral)
    transition(work, referral, Action.TRIAGE_ACCEPT, given.why, detail={"priority": referral.priority})
    tell(work, referral, "triage-accepted")


def triage_return(work: Work, referral: Referral, given: Given) -> None:
    let_go(work, referral)
    transition(work, referral, Action.TRIAGE_RETURN, given.why)
    tell(work, referral, "referral-returned")


def redirect(work: Work, referral: Referral, given: Given) -> None:
    """To another service of the same provider, which takes over; the patient chooses there, or its triage reads."""
    service = chosen(work, referral, given, same_provider=True)
    action = Action.REDIRECT_FOR_TRIAGE if service.booking_mode is BookingMode.TRIAGE else Action.REDIRECT
    came_from = referral.service_id
    let_go(work, referral)
    set_shortlist(work, referral, [service])
    referral.service_id, referral.specialty_code = service.id, service.specialty_code
    offered = {row.clinic_type_code for row in service.clinic_types}
    referral.clinic_type_code = referral.clinic_type_code if referral.clinic_type_code in offered else None
    transition(work, referral, action, given.why, detail={"from": came_from, "service": service.id})
    found = action is Action.REDIRECT and offer_now(work, referral)
    tell(work, referral, "offers-ready" if found else "transferred")


def cancel_and_act_later(work: Work, referral: Referral, given: Given) -> None:
    """Rule 9: the appointment goes, the referral stays with the provider; the priority may change."""
    booked = live(work, referral)
    must_be_ahead(work, booked)
    places.release_everything(work, referral, reason_code=given.reason or "OTHER")
    if given.priority is not None:
        set_priority(work, referral, given.priority)
    transition(work, referral, Action.CANCEL_AND_ACT_LATER, given.why, detail={"priority": referral.priority})
    if given.reason == WRONG_CLINIC:
        strike(work, referral, booked.slot.service_id)
    give_back(work, referral, [booked.slot_id])
    tell(work, referral, "appointment-cancelled-by-provider", reason=given.reason, reference=booked.reference)
