"""Whether the patient came, and what then."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from booking.domain.errors import Conflict, NotFound
from booking.domain.referral import Action
from booking.domain.words import (
    BookingState,
)
from booking.models import Booking, Referral
from booking.services.life.pieces import Given, offer_now, tell
from booking.services.transitions import transition
from booking.services.work import Work

RECORDED_FOR = timedelta(days=365)
"""How long after an appointment its attendance may be recorded or put right."""


def attended(work: Work, referral: Referral, given: Given) -> None:
    booked = _over(work, referral, BookingState.DID_NOT_ATTEND)
    booked.state = BookingState.ATTENDED
    transition(work, referral, Action.RECORD_ATTENDED, given.why, detail={"booking": booked.reference})


def did_not_attend(work: Work, referral: Referral, given: Given) -> None:
    booked = _over(work, referral, BookingState.ATTENDED)
    booked.state = BookingState.DID_NOT_ATTEND
    transition(work, referral, Action.RECORD_DID_NOT_ATTEND, given.why, detail={"booking": booked.reference})
    tell(work, referral, "did-not-attend", reference=booked.reference)


def rebook(work: Work, referral: Referral, given: Given) -> None:
    transition(work, referral, Action.REBOOK_AFTER_NON_ATTENDANCE, given.why)
    tell(work, referral, "offers-ready" if offer_now(work, referral) else "deferred")


def _over(work: Work, referral: Referral, corrected: BookingState) -> Booking:
    """The appointment whose attendance is recorded: the live one, or the last one recorded the other way."""
    query = select(Booking).where(
        Booking.referral_id == referral.id, Booking.state.in_([BookingState.BOOKED, corrected])
    )
    booked = work.session.scalars(query.order_by(Booking.starts_at.desc()).limit(1)).first()
    if booked is None:
        raise NotFound("The referral has no such appointment.")
    if booked.starts_at > work.now:
        raise Conflict("That appointment is still ahead.", code="APPOINTMENT_AHEAD")
    if booked.starts_at < work.now - RECORDED_FOR:
        raise Conflict("That appointment is more than a year ago.", code="APPOINTMENT_LONG_OVER")
    return booked
