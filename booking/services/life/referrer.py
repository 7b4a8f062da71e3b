"""The referrer's and the patient's: send, refer on, change the priority, defer."""

from __future__ import annotations

from sqlalchemy import select

from booking.domain.errors import Conflict, Invalid
from booking.domain.referral import CHOOSING, Action, ReferralState
from booking.domain.words import (
    BookingMode,
    BookingState,
)
from booking.models import Booking, Referral
from booking.services import places, referrals
from booking.services.life.pieces import Given, checked, chosen, let_go, set_priority, set_shortlist, shortlisted, tell
from booking.services.slot_endings import request_plan
from booking.services.slots import SlotSearch, free_slots
from booking.services.transitions import transition
from booking.services.work import Work


def issue(work: Work, referral: Referral, given: Given) -> str:
    """Looked at again as it is sent: while the draft lay, a service may have closed."""
    listed = [service.id for service in shortlisted(work, referral)]
    return referrals.issue(work, referral, checked(work, referral, listed, referral.priority))[1]


def send_for_triage(work: Work, referral: Referral, given: Given) -> str | None:
    service = chosen(work, referral, given)
    if service.booking_mode is not BookingMode.TRIAGE:
        raise Invalid.field("service_id", "NOT_TRIAGE", f"{service.name} is not a triage service.")
    draft = referral.state is ReferralState.DRAFT
    set_shortlist(work, referral, [service])
    if draft:
        return referrals.issue(work, referral, [service])[1]
    referral.service_id = service.id
    transition(work, referral, Action.SEND_FOR_TRIAGE, given.why, detail={"service": service.id})
    tell(work, referral, "referral-ready")
    return None


def change_shortlist(work: Work, referral: Referral, given: Given) -> None:
    services = checked(work, referral, given.shortlist, given.priority or referral.priority)
    if services[0].booking_mode is BookingMode.TRIAGE:
        raise Invalid.field("shortlist.0", "TRIAGE", f"{services[0].name} is a triage service: send it for triage.")
    before = referral.state
    set_shortlist(work, referral, services)
    referral.service_id = None
    if given.priority is not None:
        set_priority(work, referral, given.priority)
    detail = {"shortlist": [service.id for service in services], "priority": referral.priority}
    transition(work, referral, Action.CHANGE_SHORTLIST, given.why, detail=detail)
    if before is not ReferralState.DRAFT:
        tell(work, referral, "offers-changed" if before in CHOOSING else "referral-ready")


def change_priority(work: Work, referral: Referral, given: Given) -> None:
    if given.priority is None:
        raise Invalid.field("priority", "REQUIRED", "Give the new priority.")
    lost = given.priority is not referral.priority and _offer_anew(work, referral)
    set_priority(work, referral, given.priority)
    transition(work, referral, Action.CHANGE_PRIORITY, given.why, detail={"priority": given.priority})
    if lost:
        tell(work, referral, "offers-changed")


def _offer_anew(work: Work, referral: Referral) -> bool:
    """A time kept for one priority may be none that the other can have, or far too late for it: let go, and plan.

    True where a time was kept until now.
    """
    held = (
        work.session.scalar(
            select(Booking.id).where(Booking.referral_id == referral.id, Booking.state == BookingState.HELD).limit(1)
        )
        is not None
    )
    let_go(work, referral)
    if referral.state in CHOOSING:
        request_plan(work, [referral.id], "The priority was changed")
    return held


def defer(work: Work, referral: Referral, given: Given) -> None:
    """Rule 6: only where the service has no slot for this referral. Not liking those there are is no ground."""
    if given.service_id is None:
        raise Invalid.field("service_id", "REQUIRED", "Say which service of the shortlist has no appointments.")
    service = next((one for one in shortlisted(work, referral) if one.id == given.service_id), None)
    if service is None:
        raise Invalid.field("service_id", "NOT_SHORTLISTED", "That service is not on the shortlist.")
    if service.booking_mode is not BookingMode.DIRECTLY_BOOKABLE:
        raise Invalid.field("service_id", "NOT_DIRECTLY_BOOKABLE", f"{service.name} is not booked online.")
    whole = referrals.own_referral(work, referral.ubrn)
    free = free_slots(work, whole, SlotSearch(service_ids=(service.id,), limit=1))
    if free or service.id in places.keeps_places_at(work, referral):
        raise Conflict(
            f"{service.name} has appointments for this referral: it can't be left to the service to find one.",
            code="SLOTS_AVAILABLE",
        )
    let_go(work, referral)
    referral.service_id = service.id
    transition(work, referral, Action.DEFER_TO_PROVIDER, given.why, detail={"service": service.id})
    tell(work, referral, "deferred")
