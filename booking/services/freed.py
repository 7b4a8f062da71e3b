"""A place that was given back goes to whom it would help most: kept for each in turn, then open to all.

The turn begins in the transaction that frees the place and passes on in the one that ends the last turn, so that
it is free at no moment in between. Locks: the slot, then its :class:`FreedPlace`; other people's referrals are
only taken if nobody has them, so that this never waits for somebody who waits for the slot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, exists, func, or_, select
from sqlalchemy.orm import joinedload

from booking.domain.errors import SlotNotAvailable
from booking.domain.freed import GRACE, MOST_ASKED, Waiting, in_order_of_need, turn_ends
from booking.domain.referral import CHOOSING
from booking.domain.words import BookingState, HoldKind, OfferState, SlotStatus
from booking.models import Booking, FreedPlace, Offer, Referral, ReferralService, Slot
from booking.services import audit, offers, outbox, places
from booking.services.offers import Fit
from booking.services.places import Place
from booking.services.policy import current_policy
from booking.services.work import Work

# A part of every booking transaction: built once.
_OF_REFERRAL = (
    select(FreedPlace.id)
    .join(Booking, Booking.id == FreedPlace.booking_id)
    .where(FreedPlace.ended_at.is_(None), Booking.referral_id == bindparam("referral_id"))
)
_ONE = (
    select(Referral)
    .where(Referral.id == bindparam("referral_id"), Referral.state.in_(sorted(CHOOSING)))
    .options(joinedload(Referral.patient))
    .with_for_update(of=Referral, skip_locked=True)
    .execution_options(populate_existing=True)
)
BATCH = 100
MOST_CHECKED = 100
"""So many of the neediest are checked in full; a place that suits none of these is open to all."""


def freed(work: Work, slot_id: int) -> FreedPlace | None:
    """A booked place was given back in this transaction: begin to offer it in turn. The row while somebody is asked."""
    slot = places.lock_place(work, slot_id)
    until = None if slot is None else _turn_ends(work, slot)
    if slot is None or slot.status is not SlotStatus.PUBLISHED or until is None:
        return None
    made = FreedPlace(slot_id=slot.id, freed_at=work.now, asked=[])
    _next_turn(work, made, slot, until)
    return made


def due(work: Work) -> list[int]:
    """Keys of freed places whose present turn is over, whatever ended it."""
    still_asked = exists().where(
        Offer.referral_id == Booking.referral_id, Offer.slot_id == Booking.slot_id,
        Offer.state == OfferState.OPEN, Offer.expires_at > work.now,
    )  # fmt: skip
    query = (
        select(FreedPlace.id)
        .outerjoin(Booking, Booking.id == FreedPlace.booking_id)
        .where(
            FreedPlace.ended_at.is_(None),
            or_(Booking.id.is_(None), Booking.state != BookingState.HELD, ~still_asked),
        )
        .order_by(FreedPlace.id)
        .limit(BATCH)
    )  # fmt: skip
    return list(work.session.scalars(query))


def of_referral(work: Work, referral_id: int) -> list[int]:
    """Keys of freed places whose turn is, or was until this transaction, the referral's."""
    return list(work.session.scalars(_OF_REFERRAL, {"referral_id": referral_id}))


def settle(work: Work, referral: Referral) -> None:
    """After a locked referral booked, moved or ended: a freed place it had is done with, or goes on to the next."""
    work.session.flush()
    for key in of_referral(work, referral.id):
        pass_on(work, key)


def pass_on(work: Work, freed_id: int) -> bool:
    """End the present turn if it is over and begin the next, in this transaction. False where somebody is at it."""
    slot_id = work.session.scalar(select(FreedPlace.slot_id).where(FreedPlace.id == freed_id))
    slot = places.lock_place(work, slot_id, wait=False) if slot_id is not None else None
    if slot is None:
        return False
    place = work.session.scalars(
        select(FreedPlace)
        .where(FreedPlace.id == freed_id, FreedPlace.ended_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    if place is None:
        return True
    held = work.session.get(Booking, place.booking_id, populate_existing=True) if place.booking_id else None
    if held is not None and held.booked_at is not None:
        place.ended_at = work.now  # taken, whatever became of it afterwards
    elif held is not None and held.state is BookingState.HELD:
        if _still_asked(work, held):
            return True
        held.state, held.released_at = BookingState.EXPIRED, work.now
        _next_turn(work, place, slot, _turn_ends(work, slot))
    else:
        _next_turn(work, place, slot, _turn_ends(work, slot))
    work.session.flush()
    return True


def _still_asked(work: Work, held: Booking) -> bool:
    """The offer of this turn is open; one whose time is over ends here."""
    offer = work.session.scalars(
        select(Offer)
        .where(Offer.referral_id == held.referral_id, Offer.slot_id == held.slot_id, Offer.state == OfferState.OPEN)
        .execution_options(populate_existing=True)
    ).first()
    if offer is None:
        return False
    if offer.expires_at > work.now:
        return True
    offer.state = OfferState.EXPIRED
    return False


def _turn_ends(work: Work, slot: Place) -> datetime | None:
    return turn_ends(work.now, slot.starts_at, current_policy(work.session, work.today).freed_hold_hours)


def _next_turn(work: Work, place: FreedPlace, slot: Place, until: datetime | None) -> None:
    """Keep the free place of a locked slot for the next in order of need, or open it to all."""
    asked: list[int] = list(place.asked)
    place.booking_id = None
    if until is not None and slot.status is SlotStatus.PUBLISHED and len(asked) < MOST_ASKED:
        for referral, fit in _candidates(work, slot, asked):
            before = fit.known.holds(HoldKind.FREED) if fit.known else ()
            try:
                place.booking_id = places.keep(work, referral, slot, HoldKind.FREED, until + GRACE, before)
            except SlotNotAvailable:
                break  # no place is free any more
            place.asked = [*asked, referral.id]
            work.session.add(place)
            _offer(work, referral, fit, until, place)
            return
    place.ended_at = work.now
    work.session.add(place)
    work.session.flush()
    audit.record(work, f"freed-place:{place.id}", "freed.open_to_all", after={"slot": slot.id, "asked": asked})


def _candidates(work: Work, slot: Place, asked: Sequence[int]) -> Iterator[tuple[Referral, Fit]]:
    """Referrals, locked, that the place suits, in order of need; those being changed just now are passed over."""
    order = in_order_of_need(_waiting(work, slot, asked), slot.local_date)
    for one in order[:MOST_CHECKED]:
        found = work.session.scalars(_ONE, {"referral_id": one.referral_id}).first()
        fit = offers.fits(work, found, slot.id) if found is not None else None
        if found is not None and fit is not None:
            yield found, fit


def _waiting_at() -> Select[*tuple[Any, ...]]:
    """Everybody who is choosing, lists the service and is not being asked for another freed place."""
    kept = (
        select(func.min(Slot.local_date))
        .join(Booking, Booking.slot_id == Slot.id)
        .where(_held_by_referral(HoldKind.OFFER), Booking.held_until > bindparam("now"))
        .correlate(Referral)
        .scalar_subquery()
    )
    return (
        select(Referral.id, Referral.priority, Referral.due_date, Referral.first_in_line_since, kept.label("has"))
        .join(ReferralService, ReferralService.referral_id == Referral.id)
        .where(
            ReferralService.service_id == bindparam("service_id"), Referral.state.in_(sorted(CHOOSING)),
            Referral.id.not_in(bindparam("asked", expanding=True)), ~exists().where(_held_by_referral(HoldKind.FREED)),
        )
    )  # fmt: skip


def _held_by_referral(kind: HoldKind) -> ColumnElement[bool]:
    return (Booking.referral_id == Referral.id) & (Booking.state == BookingState.HELD) & (Booking.hold_kind == kind)


_WAITING = _waiting_at()


def _waiting(work: Work, slot: Place, asked: Sequence[int]) -> list[Waiting]:
    rows = work.rows(_WAITING, {"service_id": slot.service_id, "asked": asked, "now": work.now}).all()
    return [Waiting(key, priority, due, has, since is not None) for key, priority, due, since, has in rows]


def _offer(work: Work, referral: Referral, fit: Fit, until: datetime, place: FreedPlace) -> None:
    offer_id = offers.add_offer(work, referral, fit, until)
    outbox.enqueue(
        work, "slot-found", f"freed:{place.id}:referral:{referral.id}", {"ubrn": referral.ubrn},
        referral_id=referral.id,
    )  # fmt: skip
    audit.record(
        work, f"referral:{referral.id}", "referral.offer_freed_place",
        after={"slot": place.slot_id, "offer": offer_id, "until": until.isoformat()},
    )  # fmt: skip
    work.session.flush()
