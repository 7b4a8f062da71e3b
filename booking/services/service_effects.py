"""Whom a change of a service touches: counted beforehand, and seen to when it is made.

What is booked stays. A time that is only kept for somebody and that the service no longer gives them is let go,
they are told and planned again. Who has nothing left on the shortlist that may be used goes to the practice, which
is told; see :mod:`booking.services.unusable`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.orm import joinedload, selectinload

from booking.domain.eligibility import PRIORITY_BIT, ServiceRules, why_slot_not
from booking.domain.referral import CHOOSING, TERMINAL
from booking.domain.service_definition import Definition
from booking.domain.words import BookingMode, BookingState, OfferState, SlotStatus
from booking.models import Booking, Offer, PlanRequest, Referral, ReferralService, Service, Slot
from booking.services import audit, outbox, places
from booking.services.directory import LOADED
from booking.services.unusable import give_back, may_use, usable_by
from booking.services.work import Work


@dataclass(frozen=True, slots=True)
class Effects:
    """Whom and what a change touches; counts."""

    open_referrals: int
    """Live referrals with the service on their shortlist."""
    losing_it: int
    """Of these, still choosing, those that may use it now and could not (or not any more, once it has closed)."""
    left_without: int
    """Of these, those with nothing else on the shortlist that they may use: they go to their practice."""
    booked_appointments: int
    """Ahead of us; they stay as they are."""
    booked_after_last_day: int
    free_slots: int
    free_slots_unusable: int
    """Free slots ahead that nobody could book any more; they stay published until the provider withdraws them."""
    kept_times: int
    """Times kept for patients that the service would no longer give them: let go, told, and planned again."""


def effects_of(work: Work, service: Service, before: Definition, after: Definition) -> Effects:
    """Count, without writing. Where the change names a last day, the effects are those once it is over."""
    day = _day(work, after)
    losing = _losing(work, service, before, after, day)
    ahead = (
        select(func.count()).select_from(Booking).join(Slot, Slot.id == Booking.slot_id)
        .where(Slot.service_id == service.id, Booking.state == BookingState.BOOKED, Booking.starts_at > work.now)
    )  # fmt: skip
    free = (
        select(func.count()).select_from(Slot)
        .where(
            Slot.service_id == service.id, Slot.status == SlotStatus.PUBLISHED, Slot.starts_at > work.now,
            places.has_free_place(work.now),
        )
    )  # fmt: skip
    late = after.operational_to
    return Effects(
        open_referrals=work.session.scalar(_open_referrals(service.id)) or 0,
        losing_it=len(losing),
        left_without=sum(1 for one in losing if not _anything_else(one, service, day)),
        booked_appointments=work.session.scalar(ahead) or 0,
        booked_after_last_day=(work.session.scalar(ahead.where(Slot.local_date > late)) or 0) if late else 0,
        free_slots=work.session.scalar(free) or 0,
        free_slots_unusable=work.session.scalar(free.where(_unusable(after))) or 0,
        kept_times=sum(1 for _ in _kept_in_vain(work, service, after)),
    )


def act_on(work: Work, service: Service, before: Definition, after: Definition) -> None:
    """See to those the change touches at once. Who only loses it when it closes is seen to on that day, by a job.

    Called before the service's own row is written: bookers lock the referral first, and so do we.
    """
    if before.rules() == after.rules():
        return
    losing = _losing(work, service, before, after, work.today, lock=True)
    _let_go(work, list(_kept_in_vain(work, service, after)), service)
    give_back(work, [one for one in losing if not _anything_else(one, service, work.today)])


def _open_referrals(service_id: int) -> Select[int]:
    return (
        select(func.count()).select_from(Referral).join(ReferralService, ReferralService.referral_id == Referral.id)
        .where(ReferralService.service_id == service_id, Referral.state.not_in(TERMINAL))
    )  # fmt: skip


def _listing(work: Work, service: Service, *, lock: bool = False) -> list[Referral]:
    """Referrals that are choosing and list the service, by key; with patient and shortlist."""
    query = (
        select(Referral)
        .join(ReferralService, ReferralService.referral_id == Referral.id)
        .where(ReferralService.service_id == service.id, Referral.state.in_(CHOOSING))
        .options(
            joinedload(Referral.patient),
            selectinload(Referral.shortlist).joinedload(ReferralService.service).options(*LOADED),
        )
        .order_by(Referral.id)
    )
    if lock:
        query = query.with_for_update(of=Referral).execution_options(populate_existing=True)
    return list(work.session.scalars(query).unique())


def _day(work: Work, after: Definition) -> date:
    """The day on which the effects are looked at: the first one closed, or today."""
    last = after.operational_to
    return max(work.today, last + timedelta(days=1)) if last is not None else work.today


def _losing(
    work: Work, service: Service, before: Definition, after: Definition, on: date, *, lock: bool = False
) -> list[Referral]:
    """Those that may use the service now, and on that day could not."""
    was, will = before.rules(), after.rules()
    if was == will and after.operational_to is None:
        return []
    listing = _listing(work, service, lock=lock)
    return [one for one in listing if may_use(one, was, work.today) and not may_use(one, will, on)]


def _anything_else(referral: Referral, service: Service, on: date) -> bool:
    return any(one.id != service.id for one in usable_by(referral, on))


def _unusable(after: Definition) -> ColumnElement[bool]:
    """SQL: nobody could book the free slot under the definition."""
    if after.booking_mode not in (BookingMode.DIRECTLY_BOOKABLE, BookingMode.INDIRECTLY_BOOKABLE):
        return Slot.id.is_not(None)
    bits = sum(PRIORITY_BIT[priority] for priority in after.windows)
    none = Slot.priorities.bitwise_and(bits) == 0
    return none if after.operational_to is None else or_(none, Slot.local_date > after.operational_to)


def _kept_in_vain(work: Work, service: Service, after: Definition) -> Iterator[Booking]:
    """Live holds at the service that could not be booked under the definition."""
    query = (
        select(Booking)
        .join(Slot, Slot.id == Booking.slot_id)
        .where(
            Slot.service_id == service.id, Booking.state == BookingState.HELD,
            and_(Booking.held_until > work.now, Booking.starts_at > work.now),
        )
        .options(joinedload(Booking.slot), joinedload(Booking.referral).joinedload(Referral.patient))
        .order_by(Booking.referral_id, Booking.id)
    )  # fmt: skip
    rules = after.rules()
    for hold in work.session.scalars(query).unique():
        if not _may_have(work, hold, rules):
            yield hold


def _may_have(work: Work, hold: Booking, rules: ServiceRules) -> bool:
    referral, slot = hold.referral, hold.slot
    why = why_slot_not(
        rules, slot_date=slot.local_date, slot_priorities=slot.priorities, slot_practitioner=slot.practitioner_id,
        priority=referral.priority, named_practitioner=referral.named_practitioner_id,
        date_of_birth=referral.patient.date_of_birth, sex=referral.patient.sex, today=work.today,
    )  # fmt: skip
    return why is None


def _let_go(work: Work, holds: list[Booking], service: Service) -> None:
    """End the holds and the offers they stood for; the patients are told, and planned again at once."""
    touched = list(dict.fromkeys(hold.referral_id for hold in holds))
    for hold in holds:
        hold.state, hold.released_at = BookingState.EXPIRED, work.now
    work.session.flush()
    for referral_id in touched:
        _close_offers_there(work, referral_id, service)
        referral = work.session.get_one(Referral, referral_id)
        key = f"referral:{referral_id}:offers-changed:service:{service.id}:{service.version}"
        outbox.enqueue(work, "offers-changed", key, {"ubrn": referral.ubrn}, referral_id=referral_id)
        audit.record(work, f"referral:{referral_id}", "referral.offers_withdrawn", after={"service": service.id})
    if touched:
        reason = "A service no longer gives the times kept"
        work.session.add(PlanRequest(reason=reason, referral_ids=touched, requested_at=work.now))


def _close_offers_there(work: Work, referral_id: int, service: Service) -> None:
    """Only those at this service: a time kept elsewhere stays shown as long as it stays kept."""
    there = select(Slot.id).where(Slot.service_id == service.id)
    work.session.execute(
        update(Offer)
        .where(Offer.referral_id == referral_id, Offer.state == OfferState.OPEN, Offer.slot_id.in_(there))
        .values(state=OfferState.SUPERSEDED)
        .execution_options(synchronize_session="fetch")
    )
