"""Places of slots: which are free, taking one, letting go. Everything that holds or books goes through here."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.orm import joinedload

from booking.domain.errors import NotFound, SlotNotAvailable, SlotTaken
from booking.domain.words import BookingState, HoldKind, OfferState, SlotStatus
from booking.models import Booking, Offer, Referral, Slot
from booking.services.refusals import translated
from booking.services.work import Work


def occupying(now: datetime) -> ColumnElement[bool]:
    """SQL: this booking takes up its place now. A hold past its time no longer does, swept or not."""
    return and_(Booking.released_at.is_(None), or_(Booking.state != BookingState.HELD, Booking.held_until > now))


def has_free_place(now: datetime) -> ColumnElement[bool]:
    """SQL: the slot (of the enclosing query) has a free place."""
    taken = select(func.count()).where(Booking.slot_id == Slot.id, occupying(now)).correlate(Slot).scalar_subquery()
    return taken < Slot.capacity


def lock_slot(work: Work, slot_id: int) -> Slot:
    """The slot locked for taking a place; its service, site and clinician loaded.

    The key must be one the caller was shown: an unknown one is a :class:`NotFound`.
    """
    query: Select[Slot] = (
        select(Slot)
        .where(Slot.id == slot_id)
        .options(joinedload(Slot.site), joinedload(Slot.practitioner))
        .with_for_update(of=Slot)
        .execution_options(populate_existing=True)
    )
    with translated():
        slot = work.session.scalars(query).first()
    if slot is None:
        raise NotFound("There is no such slot.")
    return slot


def expire_holds_on(work: Work, slot_id: int) -> None:
    """Let go of holds on this slot whose time is over, whoever had them."""
    work.session.execute(
        update(Booking)
        .where(Booking.slot_id == slot_id, Booking.state == BookingState.HELD, Booking.held_until <= work.now)
        .values(state=BookingState.EXPIRED, released_at=work.now)
    )


def free_place(work: Work, slot: Slot) -> int:
    """The lowest free place of a locked slot; :class:`SlotTaken` where there is none."""
    if slot.status is not SlotStatus.PUBLISHED or slot.starts_at <= work.now:
        raise SlotNotAvailable("This time can no longer be booked.")
    taken = set(
        work.session.scalars(select(Booking.place).where(Booking.slot_id == slot.id, Booking.released_at.is_(None)))
    )
    for place in range(1, slot.capacity + 1):
        if place not in taken:
            return place
    raise SlotTaken("Somebody else has just taken this time.")


def hold_place(work: Work, referral: Referral, slot: Slot, kind: HoldKind, until: datetime) -> Booking:
    """Keep a place of a locked slot for a locked referral until then. An earlier hold of that kind is let go."""
    release_holds(work, referral.id, kind=kind)
    expire_holds_on(work, slot.id)
    hold = Booking(
        referral_id=referral.id,
        patient_id=referral.patient_id,
        slot_id=slot.id,
        place=free_place(work, slot),
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        state=BookingState.HELD,
        hold_kind=kind,
        held_until=until,
        created_at=work.now,
    )
    work.session.add(hold)
    with translated():
        work.session.flush()
    return hold


def release_holds(work: Work, referral_id: int, *, kind: HoldKind | None = None, except_id: int | None = None) -> int:
    """Let go of the referral's holds; returns how many."""
    query = update(Booking).where(Booking.referral_id == referral_id, Booking.state == BookingState.HELD)
    if kind is not None:
        query = query.where(Booking.hold_kind == kind)
    if except_id is not None:
        query = query.where(Booking.id != except_id)
    result = work.session.execute(query.values(state=BookingState.EXPIRED, released_at=work.now))
    return int(getattr(result, "rowcount", 0))


def close_offers(work: Work, referral_id: int, state: OfferState, *, taken_slot: int | None = None) -> None:
    """End the referral's open offers; the one for ``taken_slot``, if any, ends as taken."""
    open_offers = update(Offer).where(Offer.referral_id == referral_id, Offer.state == OfferState.OPEN)
    if taken_slot is not None:
        work.session.execute(open_offers.where(Offer.slot_id == taken_slot).values(state=OfferState.TAKEN))
    work.session.execute(open_offers.values(state=state))


def release_everything(work: Work, referral: Referral, *, reason_code: str) -> int:
    """Free every place the locked referral holds or has booked, and end its offers. Returns how many places."""
    released = release_holds(work, referral.id)
    for booked in work.session.scalars(
        select(Booking).where(Booking.referral_id == referral.id, Booking.state == BookingState.BOOKED)
    ):
        booked.state, booked.released_at, booked.reason_code = BookingState.CANCELLED, work.now, reason_code
        released += 1
    close_offers(work, referral.id, OfferState.SUPERSEDED)
    work.session.flush()
    return released
