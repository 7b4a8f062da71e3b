"""How things stand for a chunk of proposals at the moment it is written: rows locked, places counted, in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from booking.domain.referral import CHOOSING, ReferralState
from booking.domain.words import BookingState, HoldKind, OfferState, Priority, SlotStatus
from booking.models import Booking, Offer, Referral, ServicePriority, Slot
from booking.services.places import occupying
from booking.services.planning.proposals import Proposal
from booking.services.planning.sql import among
from booking.services.planning.supply import PRIORITIES
from booking.services.work import HOME_ZONE


class Place(NamedTuple):
    """A slot as far as holding one of its places goes."""

    id: int
    service_id: int
    status: SlotStatus
    capacity: int
    starts_at: datetime
    ends_at: datetime
    local_date: date


class Person(NamedTuple):
    """A referral as far as offering goes."""

    id: int
    patient_id: int
    ubrn: str
    state: ReferralState


@dataclass(slots=True)
class Standing:
    """The rows a chunk depends on, locked in the order of their keys (so that two of us can't wait for each other).

    Locked against every change but not against being pointed at: a chunk written beside this one may offer, as an
    alternative, a slot that is guaranteed to somebody here.
    """

    people: Mapping[int, Person]
    elsewhere: set[int]
    """Referrals that occupy a place otherwise than by an offer."""
    held: Mapping[int, int]
    """Slot of each referral's unexpired offer hold."""
    slots: Mapping[int, Place]
    taken: dict[int, set[int]]
    open_slots: set[int]
    """Of the alternatives' slots those that are published, to come and have a free place."""
    notice: Mapping[tuple[int, Priority], int]
    locked: set[int]
    """Slots that somebody else is changing."""
    now: datetime

    @classmethod
    def lock(cls, session: Session, chunk: Sequence[Proposal], now: datetime, *, wait: bool) -> Standing:
        """Read it all in a few statements; rows locked by others are left out unless ``wait``."""
        ids = sorted(p.referral_id for p in chunk)
        firsts = sorted({p.offers[0].slot_id for p in chunk})
        found = session.execute(
            select(Referral.id, Referral.patient_id, Referral.ubrn, Referral.state)
            .where(among(session, Referral.id, ids))
            .order_by(Referral.id)
            .with_for_update(of=Referral, skip_locked=not wait, key_share=True)
        )
        people = {row[0]: Person(*row) for row in found}
        places = session.execute(
            select(Slot.id, Slot.service_id, Slot.status, Slot.capacity, Slot.starts_at, Slot.ends_at, Slot.local_date)
            .where(among(session, Slot.id, firsts))
            .order_by(Slot.id)
            .with_for_update(of=Slot, skip_locked=not wait, key_share=True)
        )
        slots = {row[0]: Place(*row) for row in places}
        missing = [key for key in firsts if key not in slots]
        _expire(session, firsts, now)
        elsewhere, held = holds(session, ids, now)
        return cls(
            people=people,
            elsewhere=elsewhere,
            held=held,
            slots=slots,
            taken=_taken(session, firsts),
            open_slots=_open(session, {one.slot_id for p in chunk for one in p.offers[1:]}, now),
            notice=_notice(session, {place.service_id for place in slots.values()}),
            locked=set(session.scalars(select(Slot.id).where(among(session, Slot.id, missing)))) if missing else set(),
            now=now,
        )

    def why_not(self, proposal: Proposal) -> str | None:
        """Why the proposal no longer stands; None if it does."""
        key, slot_id = proposal.referral_id, proposal.offers[0].slot_id
        person, slot = self.people.get(key), self.slots.get(slot_id)
        if person is None or slot_id in self.locked:
            return "being_changed"
        if person.state not in CHOOSING or key in self.elsewhere:
            return "no_longer_choosing"
        if key in self.held:
            return "kept" if self.held[key] == slot_id else "offered_meanwhile"
        if slot is None or slot.status is not SlotStatus.PUBLISHED or slot.starts_at <= self.now:
            return "slot_withdrawn"
        if len(self.taken.get(slot_id, ())) >= slot.capacity:
            return "place_taken"
        return None

    def take(self, slot_id: int) -> int:
        """The lowest free place, from now on taken."""
        taken = self.taken.setdefault(slot_id, set())
        place = next(place for place in range(1, len(taken) + 2) if place not in taken)
        taken.add(place)
        return place

    def until(self, proposal: Proposal, offer_days: int) -> datetime:
        """When the offer ends: after the policy's days, or before the slot can no longer be booked."""
        slot = self.slots[proposal.offers[0].slot_id]
        notice = self.notice.get((slot.service_id, PRIORITIES[proposal.priority]), 0)
        closes = datetime.combine(slot.local_date - timedelta(days=notice - 1), time(), HOME_ZONE)
        return min(self.now + timedelta(days=offer_days), slot.starts_at, closes)

    def deferred(self, referral_ids: Iterable[int]) -> list[int]:
        """Of these those deferred to the provider, in order."""
        state = ReferralState.DEFERRED_TO_PROVIDER
        return sorted(key for key in referral_ids if self.people[key].state is state)


def holds(session: Session, ids: Sequence[int], now: datetime) -> tuple[set[int], dict[int, int]]:
    """Who of these occupies a place otherwise than by an offer, and the slot that an offer holds for the others."""
    elsewhere, offered = set(), {}
    rows = session.execute(
        select(Booking.referral_id, Booking.slot_id, Booking.state, Booking.hold_kind).where(
            among(session, Booking.referral_id, ids),
            occupying(now),
            Booking.state.in_((BookingState.HELD, BookingState.BOOKED)),
        )
    )
    for referral_id, slot_id, state, kind in rows:
        if state is BookingState.HELD and kind is HoldKind.OFFER:
            offered[referral_id] = slot_id
        else:
            elsewhere.add(referral_id)
    return elsewhere, offered


def release(session: Session, referral_ids: Sequence[int], now: datetime) -> None:
    """Older offers and their holds make room for the new ones."""
    session.execute(
        update(Booking)
        .where(
            among(session, Booking.referral_id, referral_ids),
            Booking.state == BookingState.HELD,
            Booking.hold_kind == HoldKind.OFFER,
        )
        .values(state=BookingState.EXPIRED, released_at=now)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Offer)
        .where(among(session, Offer.referral_id, referral_ids), Offer.state == OfferState.OPEN)
        .values(state=OfferState.SUPERSEDED)
        .execution_options(synchronize_session=False)
    )


def _expire(session: Session, slot_ids: Sequence[int], now: datetime) -> None:
    """Holds past their time let go of these slots' places."""
    session.execute(
        update(Booking)
        .where(among(session, Booking.slot_id, slot_ids), Booking.state == BookingState.HELD, Booking.held_until <= now)
        .values(state=BookingState.EXPIRED, released_at=now)
        .execution_options(synchronize_session=False)
    )


def _taken(session: Session, slot_ids: Sequence[int]) -> dict[int, set[int]]:
    taken: dict[int, set[int]] = {}
    rows = session.execute(
        select(Booking.slot_id, Booking.place).where(
            among(session, Booking.slot_id, slot_ids), Booking.released_at.is_(None)
        )
    )
    for slot_id, place in rows:
        taken.setdefault(slot_id, set()).add(place)
    return taken


def _open(session: Session, slot_ids: set[int], now: datetime) -> set[int]:
    if not slot_ids:
        return set()
    ids = sorted(slot_ids)
    counts = session.execute(
        select(Booking.slot_id, func.count())
        .where(among(session, Booking.slot_id, ids), occupying(now))
        .group_by(Booking.slot_id)
    )
    taken = {row[0]: row[1] for row in counts}
    rows = session.execute(
        select(Slot.id, Slot.capacity).where(
            among(session, Slot.id, ids), Slot.status == SlotStatus.PUBLISHED, Slot.starts_at > now
        )
    )
    return {slot_id for slot_id, capacity in rows if taken.get(slot_id, 0) < capacity}


def _notice(session: Session, service_ids: set[int]) -> dict[tuple[int, Priority], int]:
    """Days before which an appointment can't be booked, by service and priority."""
    rows = session.execute(
        select(ServicePriority.service_id, ServicePriority.priority, ServicePriority.window_from_days).where(
            among(session, ServicePriority.service_id, sorted(service_ids))
        )
    )
    return {(service, priority): days for service, priority, days in rows}
