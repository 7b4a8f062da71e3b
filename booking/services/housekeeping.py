"""What ends by itself: holds, offers, records that are no longer needed. Each call is one short transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from booking.domain.words import BookingState, HoldKind, OfferState
from booking.models import Booking, IdempotencyRecord, Offer, SignInAttempt, SlotUpload
from booking.services import slot_uploads

BATCH = 1000
KEEP_ANSWERS = timedelta(hours=24)
KEEP_ATTEMPTS = timedelta(hours=24)
KEEP_FREED = timedelta(minutes=5)
_QUIETLY = {"synchronize_session": False}


def expire_holds(session: Session, now: datetime) -> int:
    """Free the places of holds whose time is over, a batch at most; returns how many.

    A hold that somebody is turning into a booking at this moment is skipped: they were in time. A place somebody
    gave back is left for a while to the job that passes it on to the next in turn.
    """
    due = (
        select(Booking.id)
        .where(
            Booking.state == BookingState.HELD,
            Booking.held_until <= now,
            or_(Booking.hold_kind != HoldKind.FREED, Booking.held_until <= now - KEEP_FREED),
        )
        .order_by(Booking.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    ids = list(session.scalars(due))
    session.execute(
        update(Booking)
        .where(Booking.id.in_(ids), Booking.state == BookingState.HELD)
        .values(state=BookingState.EXPIRED, released_at=now)
        .execution_options(**_QUIETLY)
    )
    return len(ids)


def expire_offers(session: Session, now: datetime) -> int:
    """End open offers whose time is over, a batch at most; returns how many."""
    due = (
        select(Offer.id)
        .where(Offer.state == OfferState.OPEN, Offer.expires_at <= now)
        .order_by(Offer.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    ids = list(session.scalars(due))
    session.execute(
        update(Offer)
        .where(Offer.id.in_(ids), Offer.state == OfferState.OPEN)
        .values(state=OfferState.EXPIRED)
        .execution_options(**_QUIETLY)
    )
    return len(ids)


def purge(session: Session, now: datetime) -> int:
    """Forget what is kept for a day: answers to repeated requests, failed sign-ins, slot files; returns how many."""
    answers = session.execute(
        delete(IdempotencyRecord).where(IdempotencyRecord.created_at < now - KEEP_ANSWERS).execution_options(**_QUIETLY)
    )
    attempts = session.execute(
        delete(SignInAttempt).where(SignInAttempt.window_start < now - KEEP_ATTEMPTS).execution_options(**_QUIETLY)
    )
    uploads = session.execute(
        delete(SlotUpload).where(SlotUpload.uploaded_at <= now - slot_uploads.KEPT).execution_options(**_QUIETLY)
    )
    return sum(int(getattr(result, "rowcount", 0)) for result in (answers, attempts, uploads))
