"""Attendance from the clinic list: who came, who did not, and what then; the same told twice does no harm."""

from __future__ import annotations

from sqlalchemy import select

from booking.domain.errors import Conflict
from booking.domain.referral import Action, ReferralState
from booking.domain.words import BookingState, Worklist
from booking.models import Booking, Referral, ReferralEvent
from booking.services import life
from booking.services.booking import lock_own_booking
from booking.services.life import Given
from booking.services.work import Work

_CAME = {True: (BookingState.ATTENDED, Action.RECORD_ATTENDED),
         False: (BookingState.DID_NOT_ATTEND, Action.RECORD_DID_NOT_ATTEND)}  # fmt: skip


def record(work: Work, reference: str, *, came: bool) -> Booking:
    """Note for this appointment that its patient came, or did not; or put right what was noted before."""
    booked, referral = lock_own_booking(work, reference)
    wanted, action = _CAME[came]
    if booked.state is wanted:
        return booked
    if booked.state in (BookingState.CANCELLED, BookingState.EXPIRED):
        raise Conflict("That appointment was cancelled: there is no attendance to record.", code="APPOINTMENT_OFF")
    life.perform(work, referral.ubrn, action, Given())
    if booked.state is not wanted:
        raise Conflict("The referral has a later appointment: look at that one.", code="LATER_APPOINTMENT")
    return booked


def rebook(work: Work, reference: str) -> Booking:
    """Offer somebody who did not attend another appointment."""
    booked, referral = _absent(work, reference)
    if referral.state is not ReferralState.NOT_BOOKED:
        life.perform(work, referral.ubrn, Action.REBOOK_AFTER_NON_ATTENDANCE, Given())
    return booked


def advise(work: Work, reference: str, comment: str) -> Booking:
    """Leave somebody who did not attend to the referrer, with words about it."""
    booked, referral = _absent(work, reference)
    if referral.worklist is not Worklist.CANCELLED_OR_DID_NOT_ATTEND:
        life.perform(work, referral.ubrn, Action.ADVISE_REFERRER, Given(comment=comment))
    elif _words(work, referral) != comment:
        raise Conflict("Somebody has returned it to the referrer already, with other words.", code="RETURNED_ALREADY")
    return booked


def _words(work: Work, referral: Referral) -> str | None:
    """What the referrer was told when it was returned last."""
    query = select(ReferralEvent.comment).where(
        ReferralEvent.referral_id == referral.id, ReferralEvent.action == Action.ADVISE_REFERRER
    )
    return work.session.scalar(query.order_by(ReferralEvent.sequence.desc()).limit(1))


def _absent(work: Work, reference: str) -> tuple[Booking, Referral]:
    booked, referral = lock_own_booking(work, reference)
    if booked.state is not BookingState.DID_NOT_ATTEND:
        raise Conflict("It is not recorded that this patient did not attend.", code="ATTENDANCE_OPEN")
    return booked, referral
