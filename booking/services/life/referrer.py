"""The referrer's and the patient's: send, refer on, change the priority, defer."""

from __future__ import annotations

from booking.domain.errors import Conflict, Invalid
from booking.domain.referral import Action, ReferralState
from booking.domain.words import (
    BookingMode,
)
from booking.models import Referral
from booking.services import places, referrals
from booking.services.life.pieces import Given, checked, chosen, let_go, set_priority, set_shortlist, shortlisted, tell
from booking.services.slots import SlotSearch, free_slots
from booking.services.transitions import transition
from booking.services.work import Work


def issue(work: Work, referral: Referral, given: Given) -> str:
    return referrals.issue(work, referral, shortlisted(work, referral))[1]


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
    return None


def change_shortlist(work: Work, referral: Referral, given: Given) -> None:
    services = checked(work, referral, given.shortlist, given.priority or referral.priority)
    if services[0].booking_mode is BookingMode.TRIAGE:
        raise Invalid.field("shortlist.0", "TRIAGE", f"{services[0].name} is a triage service: send it for triage.")
    set_shortlist(work, referral, services)
    referral.service_id = None
    if given.priority is not None:
        set_priority(work, referral, given.priority)
    detail = {"shortlist": [service.id for service in services], "priority": referral.priority}
    transition(work, referral, Action.CHANGE_SHORTLIST, given.why, detail=detail)


def change_priority(work: Work, referral: Referral, given: Given) -> None:
    if given.priority is None:
        raise Invalid.field("priority", "REQUIRED", "Give the new priority.")
    set_priority(work, referral, given.priority)
    transition(work, referral, Action.CHANGE_PRIORITY, given.why, detail={"priority": given.priority})


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
    held = places.keeps_place_at(work, referral, service.id)
    if free or held:
        raise Conflict(
            f"{service.name} has appointments for this referral: it can't be left to the service to find one.",
            code="SLOTS_AVAILABLE",
        )
    let_go(work, referral)
    referral.service_id = service.id
    transition(work, referral, Action.DEFER_TO_PROVIDER, given.why, detail={"service": service.id})
    tell(work, referral, "deferred")
