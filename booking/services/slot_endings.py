"""What goes with taking slots off: whoever a place was kept for hears of it and is offered again.

The caller has the slots locked. No referral is locked here, so that a publication of a million slots never waits
for a patient who is choosing: a hold may be ended by whoever has its slot, as when its time is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from booking.domain.words import BookingState, HoldKind, OfferState
from booking.models import Booking, FreedPlace, Offer, PlanRequest, Referral
from booking.services import outbox
from booking.services.work import Work

_QUIETLY = {"synchronize_session": False}


@dataclass(frozen=True, slots=True)
class EndedHold:
    """A place that was kept for a referral on a slot taken off."""

    booking_id: int
    referral_id: int
    slot_id: int
    kind: HoldKind | None


def end_holds(work: Work, slot_ids: Sequence[int]) -> list[EndedHold]:
    """End all holds and offers on locked slots, and tell those for whom a place was kept until now."""
    rows = work.session.execute(
        select(Booking.id, Booking.referral_id, Booking.slot_id, Booking.hold_kind, Booking.held_until, Referral.ubrn)
        .join(Referral, Referral.id == Booking.referral_id)
        .where(Booking.slot_id.in_(slot_ids), Booking.state == BookingState.HELD)
        .order_by(Booking.id)
    ).all()
    work.session.execute(
        update(Booking)
        .where(Booking.id.in_([row.id for row in rows]), Booking.state == BookingState.HELD)
        .values(state=BookingState.EXPIRED, released_at=work.now)
        .execution_options(**_QUIETLY)
    )
    _end_offers(work, slot_ids)
    ended = []
    for row in rows:
        if row.held_until is None or row.held_until <= work.now:
            continue  # it was over already
        ended.append(EndedHold(row.id, row.referral_id, row.slot_id, row.hold_kind))
        outbox.enqueue(work, "offers-changed", f"hold:{row.id}:ended", {"ubrn": row.ubrn}, referral_id=row.referral_id)
    return ended


def _end_offers(work: Work, slot_ids: Sequence[int]) -> None:
    # An offer somebody is changing at this moment is left: it is not shown any more once its slot is off.
    ids = list(
        work.session.scalars(
            select(Offer.id)
            .where(Offer.slot_id.in_(slot_ids), Offer.state == OfferState.OPEN)
            .order_by(Offer.id)
            .with_for_update(skip_locked=True)
        )
    )
    work.session.execute(
        update(Offer).where(Offer.id.in_(ids)).values(state=OfferState.SUPERSEDED).execution_options(**_QUIETLY)
    )
    work.session.execute(
        update(FreedPlace)
        .where(FreedPlace.slot_id.in_(slot_ids), FreedPlace.ended_at.is_(None))
        .values(ended_at=work.now)
        .execution_options(**_QUIETLY)
    )


def request_plan(work: Work, referral_ids: Iterable[int], reason: str) -> PlanRequest | None:
    """Have a small plan made for these referrals at once; None where there are none."""
    ids = sorted(set(referral_ids))
    if not ids:
        return None
    made = PlanRequest(reason=reason, referral_ids=ids, requested_at=work.now)
    work.session.add(made)
    work.session.flush()
    return made
