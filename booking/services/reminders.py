"""Messages that the calendar causes: reminders of appointments, and of times that are kept only until tomorrow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, String, cast, exists, literal, select

from booking.domain.referral import CHOOSING
from booking.domain.words import BookingState, OfferState
from booking.models import Booking, Offer, OutboxMessage, Referral, Slot
from booking.services import outbox
from booking.services.policy import current_policy
from booking.services.work import Work

BATCH = 500
EXPIRING = timedelta(days=1)
_CLOCK_CHANGE = timedelta(hours=2)


def remind(work: Work) -> int:
    """Remind of appointments as many days ahead as the policy says; a batch for each at most, returns how many.

    Each reminder is due at the appointment's own time of day. Nobody who booked after that moment is sent it, and
    where the job did not run in time only the latest of several is sent.
    """
    days = sorted(current_policy(work.session, work.today).reminders_days)
    made = 0
    for fewer, number in zip((0, *days), days, strict=False):
        made += _remind(work, number, fewer)
    work.session.flush()
    return made


def _remind(work: Work, days: int, fewer: int) -> int:
    """Those whose ``days`` before have come and whose ``fewer`` days before have not."""
    query = (
        select(Booking, Referral.ubrn, Slot.time_zone)
        .join(Referral, Referral.id == Booking.referral_id)
        .join(Slot, Slot.id == Booking.slot_id)
        .where(
            Booking.state == BookingState.BOOKED,
            Booking.starts_at > work.now + timedelta(days=fewer) - _CLOCK_CHANGE,
            Booking.starts_at > work.now,
            Booking.starts_at <= work.now + timedelta(days=days) + _CLOCK_CHANGE,
            ~_told(literal("booking:") + Booking.reference + literal(f":reminder:{days}")),
        )
        .order_by(Booking.starts_at, Booking.id)
    )
    made = 0
    for row in work.session.execute(query).all():
        if made == BATCH:
            break
        booked: Booking = row.Booking
        zone = ZoneInfo(row.time_zone)
        due, over = _days_before(booked.starts_at, days, zone), _days_before(booked.starts_at, fewer, zone)
        if booked.booked_at is None or not (booked.booked_at <= due <= work.now < over):
            continue
        outbox.enqueue(
            work, "reminder", f"booking:{booked.reference}:reminder:{days}",
            {"ubrn": row.ubrn, "reference": booked.reference}, referral_id=booked.referral_id,
        )  # fmt: skip
        made += 1
    return made


def _days_before(starts_at: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The same time of the clock so many days earlier, also across a clock change."""
    local = starts_at.astimezone(zone)
    return (local.replace(tzinfo=None) - timedelta(days=days)).replace(tzinfo=zone)


def _told(key: ColumnElement[str]) -> ColumnElement[bool]:
    return exists().where(OutboxMessage.event_key == key)


def warn_of_expiry(work: Work) -> int:
    """Tell those whose kept time ends within a day, if it was kept for longer than that; returns how many."""
    query = (
        select(Offer, Referral.ubrn)
        .join(Referral, Referral.id == Offer.referral_id)
        .where(
            Offer.state == OfferState.OPEN, Offer.guaranteed, Referral.state.in_(sorted(CHOOSING)),
            Offer.expires_at > work.now, Offer.expires_at <= work.now + EXPIRING,
            ~_told(literal("offer:") + cast(Offer.id, String) + literal(":expiring")),
        )
        .order_by(Offer.expires_at, Offer.id)
        .limit(BATCH)
    )  # fmt: skip
    rows: Sequence[tuple[Offer, str]] = [
        (row.Offer, row.ubrn)
        for row in work.session.execute(query)
        if row.Offer.created_at <= row.Offer.expires_at - EXPIRING
    ]
    for offer, ubrn in rows:
        outbox.enqueue(
            work, "offer-expiring", f"offer:{offer.id}:expiring", {"ubrn": ubrn, "offer": offer.id},
            referral_id=offer.referral_id,
        )  # fmt: skip
    work.session.flush()
    return len(rows)
