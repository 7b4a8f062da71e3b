"""Answers to offers, and a provider's proposal to move an appointment: nothing moves unless the patient agrees."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from booking.domain.errors import Conflict, NotFound, SlotNotAvailable
from booking.domain.offer import NotThis
from booking.domain.referral import CHOOSING, Action, next_state
from booking.domain.words import HoldKind, OfferState
from booking.models import Offer, Referral, Service, Slot
from booking.services import audit, freed, offers, outbox, places
from booking.services.booking import check_slot, lock_own_booking, must_be_ahead
from booking.services.policy import current_policy
from booking.services.referrals import lock_own_referral, own_referral
from booking.services.so_far import so_far
from booking.services.work import Work


def decline(work: Work, ubrn: str, offer_id: int, why: NotThis | None = None) -> tuple[Referral, list[Offer]]:
    """Say no to one open offer: it is not made again, and its place goes to others in the same transaction.

    Nobody has to say ``why``. Where it was the guaranteed one of somebody who is choosing, fresh offers are made at
    once. Returns the referral and what is open now.
    """
    referral = lock_own_referral(work, ubrn)
    known = so_far(work, referral)
    declined = next((one for one in known.open() if one.id == offer_id), None)
    if declined is None:
        raise NotFound("There is no such offer open.")
    offers.close(work, [declined.id], OfferState.DECLINED)
    if known.had_turn():
        # A freed place passes on with its hold still on it, so that nobody is quicker than the next in turn.
        freed.settle(work, referral)
    held = [one.id for one in known.holds() if one.slot_id == declined.slot_id and one.hold_kind is not HoldKind.FREED]
    places.let_go(work, held)
    audit.record(
        work, f"referral:{referral.id}", "referral.decline_offer",
        after={
            "offer": declined.id, "slot": declined.slot_id, "guaranteed": declined.guaranteed,
            **({"because": why} if why is not None else {}),
        },
    )  # fmt: skip
    made = offers.propose_now(work, referral) if declined.guaranteed and referral.state in CHOOSING else []
    return referral, made or offers.open_offers(work, referral)


def propose_move(work: Work, reference: str, slot_id: int) -> tuple[Referral, list[Offer]]:
    """Keep another slot of the provider's for somebody who is booked, and offer it: the appointment stands as it is.

    The patient moves there, or declines, or lets the offer run out. A second proposal replaces the first.
    """
    booked, referral = lock_own_booking(work, reference)
    next_state(referral.state, Action.MOVE_APPOINTMENT)
    must_be_ahead(work, booked)
    if slot_id == booked.slot_id:
        raise Conflict("The appointment is at that time already.", code="SAME_SLOT")
    slot = _own_slot(work, slot_id)
    referral = own_referral(work, referral.ubrn)
    check_slot(work, referral, slot)
    fit = offers.fits(work, referral, slot.id)
    if fit is None:
        raise SlotNotAvailable("This time is taken, or does not meet what the patient needs.", code="DOES_NOT_SUIT")
    until = work.now + timedelta(days=current_policy(work.session, work.today).offer_days)
    until = min(until, slot.starts_at, booked.starts_at)
    places.close_offers(work, referral.id, OfferState.SUPERSEDED)
    places.hold_place(work, referral, slot, HoldKind.OFFER, until)
    offer_id = offers.add_offer(work, referral, fit._replace(known=None), until)
    outbox.enqueue(
        work, "move-proposed", f"offer:{offer_id}:move",
        {"ubrn": referral.ubrn, "reference": booked.reference, "offer": offer_id}, referral_id=referral.id,
    )  # fmt: skip
    audit.record(
        work, f"referral:{referral.id}", "referral.propose_move",
        after={"booking": booked.reference, "slot": slot.id, "offer": offer_id},
    )  # fmt: skip
    work.session.flush()
    return referral, offers.open_offers(work, referral)


def _own_slot(work: Work, slot_id: int) -> Slot:
    """A slot of the caller's organisation, locked, with what is shown of it."""
    query = (
        select(Slot)
        .join(Service, Service.id == Slot.service_id)
        .where(Slot.id == slot_id, Service.organisation_id == work.actor.organisation_id)
        .options(joinedload(Slot.service))
    )
    if work.session.scalars(query).first() is None:
        raise NotFound("There is no such slot, or it is not yours.")
    return places.lock_slot(work, slot_id)
