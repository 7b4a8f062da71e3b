"""Places of slots: which are free, taking one, letting go. Everything that holds or books goes through here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, case, func, insert, or_, select, update
from sqlalchemy.orm import joinedload

from booking.domain.errors import NotFound, SlotNotAvailable, SlotTaken
from booking.domain.words import BookingState, HoldKind, OfferState, SlotStatus
from booking.models import Booking, Offer, Referral, Service, Slot
from booking.services.refusals import translated
from booking.services.so_far import Taken, forget
from booking.services.work import Work


def occupying(now: datetime) -> ColumnElement[bool]:
    """SQL: this booking takes up its place now. A hold past its time no longer does, swept or not."""
    return and_(Booking.released_at.is_(None), or_(Booking.state != BookingState.HELD, Booking.held_until > now))


def free_places(now: datetime) -> ColumnElement[int]:
    """SQL: how many places of the slot (of the enclosing query) are free."""
    taken = select(func.count()).where(Booking.slot_id == Slot.id, occupying(now)).correlate(Slot).scalar_subquery()
    return Slot.capacity - taken


def has_free_place(now: datetime) -> ColumnElement[bool]:
    """SQL: the slot (of the enclosing query) has a free place."""
    return free_places(now) > 0


# Statements of the booking transaction are built once: building them costs as much as running them.
_LOCK_SLOT = (
    select(Slot)
    .where(Slot.id == bindparam("slot_id"))
    .options(
        joinedload(Slot.site), joinedload(Slot.practitioner), joinedload(Slot.service).joinedload(Service.organisation)
    )
    .with_for_update(of=Slot)
    .execution_options(populate_existing=True)
)
_LIVE = select(Booking).where(Booking.slot_id == bindparam("slot_id"), Booking.released_at.is_(None))


def lock_slot(work: Work, slot_id: int) -> Slot:
    """The slot locked for taking a place; its service, site and clinician loaded.

    The key must be one the caller was shown: an unknown one is a :class:`NotFound`.
    """
    with translated():
        slot = work.session.scalars(_LOCK_SLOT, {"slot_id": slot_id}).first()
    if slot is None:
        raise NotFound("There is no such slot.")
    return slot


def occupancy(work: Work, slot: Slot) -> list[Booking]:
    """Who is on the places of a locked slot. Holds whose time is over are let go first, whoever had them."""
    rows = work.session.scalars(_LIVE, {"slot_id": slot.id})
    live, over = [], False
    for row in rows:
        if row.state is BookingState.HELD and row.held_until is not None and row.held_until <= work.now:
            row.state, row.released_at, over = BookingState.EXPIRED, work.now, True
        else:
            live.append(row)
    if over:
        work.session.flush()  # the place must be free in the database before somebody new is put on it
    return live


def own_hold(live: list[Booking], referral: Referral) -> Booking | None:
    """The referral's own hold among a slot's live rows, the longest one if it has two."""
    mine = [row for row in live if row.referral_id == referral.id and row.state is BookingState.HELD]
    return max(mine, key=lambda row: row.held_until or row.created_at, default=None)


def new_booking(work: Work, referral: Referral, slot: Slot, live: list[Booking]) -> Booking:
    """A row, without a state yet, on the lowest free place of a locked slot; :class:`SlotTaken` where none is free."""
    if slot.status is not SlotStatus.PUBLISHED or slot.starts_at <= work.now:
        raise SlotNotAvailable("This time can no longer be booked.")
    taken = {row.place for row in live}
    place = next((number for number in range(1, slot.capacity + 1) if number not in taken), None)
    if place is None:
        raise SlotTaken("Somebody else has just taken this time.")
    made = Booking(
        referral_id=referral.id, patient_id=referral.patient_id, slot_id=slot.id, place=place, starts_at=slot.starts_at,
        ends_at=slot.ends_at, created_at=work.now,
    )  # fmt: skip
    work.session.add(made)
    return made


def hold_place(work: Work, referral: Referral, slot: Slot, kind: HoldKind, until: datetime) -> Booking:
    """Keep a place of a locked slot for a locked referral until then. An earlier hold of that kind is let go."""
    release_holds(work, referral.id, kind=kind)
    hold = new_booking(work, referral, slot, occupancy(work, slot))
    hold.state, hold.hold_kind, hold.held_until = BookingState.HELD, kind, min(until, slot.starts_at)
    with translated():
        work.session.flush()
    return hold


class Place(NamedTuple):
    """What of a locked slot decides whether a place of it can be kept."""

    id: int
    service_id: int
    status: SlotStatus
    capacity: int
    starts_at: datetime
    ends_at: datetime
    local_date: date


_PLACE = (
    select(Slot.id, Slot.service_id, Slot.status, Slot.capacity, Slot.starts_at, Slot.ends_at, Slot.local_date)
    .where(Slot.id == bindparam("slot_id"))
    .with_for_update(of=Slot)
)
_PLACE_IF_FREE = _PLACE.with_for_update(of=Slot, skip_locked=True)
_ON_IT = select(Booking.id, Booking.place, Booking.state, Booking.held_until).where(
    Booking.slot_id == bindparam("slot_id"), Booking.released_at.is_(None)
)
_KEEP = insert(Booking).returning(Booking.id)
_LET_GO = (
    update(Booking)
    .where(Booking.id.in_(bindparam("keys", expanding=True)), Booking.state == BookingState.HELD)
    .values(state=BookingState.EXPIRED, released_at=bindparam("now"))
)


def lock_place(work: Work, slot_id: int, *, wait: bool = True) -> Place | None:
    """The slot locked for keeping a place, as plain values; None where there is none or, unless ``wait``, somebody is
    at it."""
    with translated():
        row = work.rows(_PLACE if wait else _PLACE_IF_FREE, {"slot_id": slot_id}).first()
    return None if row is None else Place(*row)


def keep(work: Work, referral: Referral, place: Place, kind: HoldKind, until: datetime, mine: Iterable[Taken]) -> int:
    """Keep a place of a locked slot for a locked referral until then: :func:`hold_place` by plain statements.

    ``mine``: the referral's holds of that kind so far, which are let go. Returns the key of the hold.
    """
    let_go(work, [one.id for one in mine])
    over, taken = [], set()
    for row in work.rows(_ON_IT, {"slot_id": place.id}).all():
        if row.state is BookingState.HELD and row.held_until is not None and row.held_until <= work.now:
            over.append(row.id)
        else:
            taken.add(row.place)
    let_go(work, over)
    if place.status is not SlotStatus.PUBLISHED or place.starts_at <= work.now:
        raise SlotNotAvailable("This time can no longer be booked.")
    number = next((number for number in range(1, place.capacity + 1) if number not in taken), None)
    if number is None:
        raise SlotTaken("Somebody else has just taken this time.")
    made = {
        "referral_id": referral.id, "patient_id": referral.patient_id, "slot_id": place.id, "place": number,
        "starts_at": place.starts_at, "ends_at": place.ends_at, "state": BookingState.HELD, "hold_kind": kind,
        "held_until": min(until, place.starts_at), "created_at": work.now,
    }  # fmt: skip
    with translated():
        return int(work.rows(_KEEP, made).scalar_one())


def let_go(work: Work, keys: Sequence[int]) -> None:
    """End these holds."""
    if keys:
        work.rows(_LET_GO, {"keys": keys, "now": work.now})
        forget(work.session, Booking, keys, "state", "released_at")


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
    ends = case((Offer.slot_id == taken_slot, OfferState.TAKEN.value), else_=state.value) if taken_slot else state
    work.session.execute(
        update(Offer).where(Offer.referral_id == referral_id, Offer.state == OfferState.OPEN).values(state=ends)
    )


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


def keeps_places_at(work: Work, referral: Referral) -> set[int]:
    """Services that keep a place for this very referral."""
    query = (
        select(Slot.service_id)
        .join(Booking, Booking.slot_id == Slot.id)
        .where(
            Booking.referral_id == referral.id, Booking.state == BookingState.HELD, Booking.held_until > work.now,
            Slot.status == SlotStatus.PUBLISHED,
        )
    )  # fmt: skip
    return set(work.session.scalars(query.distinct()))


def booked_ahead(work: Work, referral: Referral) -> list[int]:
    """Slots to come that the referral is booked on."""
    query = select(Booking.slot_id).where(
        Booking.referral_id == referral.id, Booking.state == BookingState.BOOKED, Booking.starts_at > work.now
    )
    return list(work.session.scalars(query))
