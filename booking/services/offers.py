"""Offers: those a patient has, and making some at once where there are none.

The nightly plan proposes to everybody together. Between plans one patient is served by themselves: the free
slots of their shortlist, cheapest first by the last plan's prices, the first of them held.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from sqlalchemy import Select, bindparam, insert, or_, select, update
from sqlalchemy.orm import aliased, joinedload

from booking.domain.eligibility import Window
from booking.domain.errors import SlotNotAvailable
from booking.domain.offer import PENCILLED, Candidate, choose, words
from booking.domain.referral import CHOOSING
from booking.domain.words import BookingState, HoldKind, OfferState, SlotStatus
from booking.models import Booking, Offer, Referral, Service, Slot
from booking.services import candidates, pencils, places
from booking.services.candidates import Found, wish_of
from booking.services.pencils import Way
from booking.services.planning.prices import Prices, last_prices
from booking.services.policy import current_policy
from booking.services.slots import usable_services
from booking.services.work import HOME_ZONE, Work

FIRST_LOOK, PER_SERVICE = 10, 30
"""How many of a service's earliest free slots are looked at when one patient is served: so many, and the larger number
where these do not make a full set of offers."""
MOST_RANKS = 20

_DETAIL = (
    joinedload(Offer.slot).joinedload(Slot.site),
    joinedload(Offer.slot).joinedload(Slot.practitioner),
    joinedload(Offer.slot).joinedload(Slot.service).joinedload(Service.organisation),
)


def _open() -> Select[Offer]:
    held_by_me = (
        select(Booking.id)
        .where(
            Booking.slot_id == Slot.id, Booking.referral_id == bindparam("referral_id"),
            Booking.state == BookingState.HELD, Booking.held_until > bindparam("now"),
        )
        .exists()
    )  # fmt: skip
    elsewhere = aliased(Booking)
    clash = (
        select(elsewhere.id)
        .where(
            elsewhere.patient_id == bindparam("patient_id"), elsewhere.referral_id != bindparam("referral_id"),
            elsewhere.state == BookingState.BOOKED,
            elsewhere.starts_at < Slot.ends_at, elsewhere.ends_at > Slot.starts_at,
        )
        .exists()
    )  # fmt: skip
    return (
        select(Offer)
        .join(Slot, Slot.id == Offer.slot_id)
        .where(
            Offer.referral_id == bindparam("referral_id"), Offer.state == OfferState.OPEN,
            Offer.expires_at > bindparam("now"), Slot.status == SlotStatus.PUBLISHED, Slot.starts_at > bindparam("now"),
            or_(held_by_me, candidates.taken() < Slot.capacity), ~clash,
        )
        .options(*_DETAIL)
        .order_by(Offer.rank)
    )  # fmt: skip


_OPEN = _open()  # building it costs as much as running it


def open_offers(work: Work, referral: Referral) -> list[Offer]:
    """The referral's offers that can be taken now, the guaranteed one first: each checked again as it is shown.

    One for whose place somebody else is pencilled stays only as long as that person can be moved.
    """
    names = {"referral_id": referral.id, "patient_id": referral.patient_id, "now": work.now}
    return [
        offer
        for offer in work.session.scalars(_OPEN, names)
        if offer.guaranteed
        or not pencils.is_pencilled(offer.reasons)
        or pencils.can_have(work, referral, offer.slot_id)
    ]


def ensure_offers(work: Work, referral: Referral) -> list[Offer]:
    """The open offers of a locked referral with detail loaded; fresh ones where it is choosing and has none."""
    found = open_offers(work, referral)
    if referral.state not in CHOOSING or any(offer.guaranteed for offer in found):
        return found
    return propose_now(work, referral)


def propose_now(work: Work, referral: Referral) -> list[Offer]:
    """Offer the referral what is free at this moment: the best is held, the others differ from it.

    An offer of a place somebody gave back stays beside them: it is kept on terms of its own.
    """
    kept = _close_all_but_freed(work, referral)
    policy = current_policy(work.session, work.today)
    wish = wish_of(referral, work.today)
    for most in (FIRST_LOOK, PER_SERVICE):
        found = candidates.find(work, wish, per_service=most)
        prices = last_prices(work.session, {one.service_id for one in found})
        seen = _candidates(found, referral, prices, work.today)
        spare = {one.id: one.spare for one in found}
        if len(choose((seen[key] for key in seen if spare[key] > 0), policy.alternatives)) > policy.alternatives:
            break
    until = work.now + timedelta(days=policy.offer_days)
    windows = {service.id: rules.windows.get(referral.priority) for service, rules in usable_services(referral)}
    ends = {one.id: _closes(one, windows[one.service_id], until) for one in found}
    while seen and (way := _way(work, referral, seen, spare)) is not None:
        first = way.moves[0][1]
        if _keep(work, referral, way, ends[first]):
            chosen = _beside(work, referral, seen, spare, first, policy.alternatives)
            _write(work, referral, chosen, list(seen.values()), ends, kept)
            return open_offers(work, referral)
        del seen[first]  # somebody was quicker: the next best
    return []


def _way(work: Work, referral: Referral, seen: Mapping[int, Candidate], spare: Mapping[int, int]) -> Way | None:
    """To the best place that can be had. Where others are pencilled, what moving them loses stands for the price."""
    best = min(seen.values(), key=Candidate.order)
    if spare[best.slot_id] > 0:
        return Way(((referral.id, best.slot_id),))
    costs = {key: (one.own_cost or 0) + (one.price if spare[key] > 0 else 0) for key, one in seen.items()}
    return pencils.way_to(work, referral, costs, spare) or pencils.outranking(work, referral, best.slot_id)


def _keep(work: Work, referral: Referral, way: Way, until: datetime) -> bool:
    """Hold the way's first place for the referral and move whoever it displaces; False where somebody was quicker."""
    try:
        place = places.lock_slot(work, way.moves[0][1])
        places.hold_place(work, referral, place, HoldKind.OFFER, until)
    except SlotNotAvailable:
        return False
    if pencils.follow(work, way):
        return True
    places.release_holds(work, referral.id, kind=HoldKind.OFFER)
    return False


def _beside(
    work: Work, referral: Referral, seen: Mapping[int, Candidate], spare: Mapping[int, int], first: int, most: int
) -> list[Candidate]:
    """The slot kept, then up to ``most`` that differ from it and from each other and can be had too."""
    rest = {key: one for key, one in seen.items() if key != first}
    while True:
        chosen = choose(rest.values(), most, first=seen[first])
        barred = [
            one.slot_id
            for one in chosen[1:]
            if spare[one.slot_id] <= 0 and not pencils.can_have(work, referral, one.slot_id)
        ]
        if not barred:
            return [seen[first], *(replace(one, pencilled=spare[one.slot_id] <= 0) for one in chosen[1:])]
        for slot_id in barred:
            del rest[slot_id]


def _closes(slot: Found, window: Window | None, until: datetime) -> datetime:
    """When an offer made now ends: at the latest when the slot starts, or its booking window closes behind it."""
    first_day_too_late = slot.local_date - timedelta(days=(window.first_day if window else 0) - 1)
    return min(until, slot.starts_at, datetime.combine(first_day_too_late, time(), HOME_ZONE))


_STANDING = select(Offer.id, Offer.rank, Offer.guaranteed, Offer.slot_id).where(
    Offer.referral_id == bindparam("referral_id"), Offer.state == OfferState.OPEN
)


def _close_all_but_freed(work: Work, referral: Referral) -> set[int]:
    """Ranks of the open offers that stay."""
    standing = work.session.execute(_STANDING, {"referral_id": referral.id}).all()
    if not standing:
        return set()
    query = select(Booking.slot_id).where(
        Booking.referral_id == referral.id, Booking.state == BookingState.HELD, Booking.hold_kind == HoldKind.FREED,
        Booking.held_until > work.now,
    )  # fmt: skip
    freed = set(work.session.scalars(query))
    over = [row.id for row in standing if row.guaranteed or row.slot_id not in freed]
    if over:
        work.session.execute(
            update(Offer)
            .where(Offer.id.in_(over))
            .values(state=OfferState.SUPERSEDED)
            .execution_options(synchronize_session="fetch")
        )
    return {row.rank for row in standing if row.id not in over}


def add_offer(work: Work, referral: Referral, slot: Slot, until: datetime) -> Offer:
    """One more offer, of a slot held for the locked referral (loaded with detail): the guaranteed one if it has none.

    An older guaranteed offer whose time is not kept any more makes room.
    """
    standing = {offer.rank for offer in open_offers(work, referral) if offer.guaranteed or offer.rank > 1}
    guaranteed = 1 not in standing
    if guaranteed:
        work.session.execute(
            update(Offer)
            .where(Offer.referral_id == referral.id, Offer.state == OfferState.OPEN, Offer.rank == 1)
            .values(state=OfferState.SUPERSEDED)
            .execution_options(synchronize_session="fetch")
        )
    taken = set(
        work.session.scalars(select(Offer.rank).where(Offer.referral_id == referral.id, Offer.state == OfferState.OPEN))
    )
    rank = next(rank for rank in range(1, MOST_RANKS + 1) if rank not in taken and (rank > 1 or guaranteed))
    candidate = _candidates([candidates.of_slot(slot, referral.patient)], referral, Prices(), work.today)[slot.id]
    said = words(candidate, guaranteed=True, nearest_km=None, earliest=date.min, due=referral.due_date, day=work.today)
    made = Offer(
        referral_id=referral.id, slot_id=slot.id, rank=rank, guaranteed=guaranteed, state=OfferState.OPEN,
        reasons={"words": said}, created_at=work.now, expires_at=until,
    )  # fmt: skip
    work.session.add(made)
    work.session.flush()
    return made


def suits(work: Work, referral: Referral, slot: Slot) -> bool:
    """Whether the slot is free and one that the referral (loaded with detail) could be offered now."""
    return bool(candidates.among(work, wish_of(referral, work.today), (slot.id,)))


def _candidates(found: list[Found], referral: Referral, prices: Prices, today: date) -> dict[int, Candidate]:
    """Slots as this referral would have them, with the last plan's price of taking each from the others."""
    cost = pencils.costs_of(referral, prices, today)
    planned, start, due = prices.weights is not None, referral.rtt_clock_start, referral.due_date
    return {
        slot.id: Candidate(
            slot_id=slot.id, provider_id=slot.provider_id, day=slot.local_date, part=slot.part,
            distance_km=slot.distance_km, wait_days=(slot.local_date - start).days,
            late_days=max(0, (slot.local_date - due).days),
            price=prices.of(slot.service_id, slot.local_date, slot.part),
            own_cost=cost(slot) if planned else None,
        )
        for slot in found
    }  # fmt: skip


def _write(
    work: Work,
    referral: Referral,
    chosen: list[Candidate],
    seen: list[Candidate],
    ends: dict[int, datetime],
    taken_ranks: Set[int],
) -> None:
    ranks = [rank for rank in range(1, MOST_RANKS + 1) if rank not in taken_ranks]
    distances = [c.distance_km for c in seen if c.distance_km is not None]
    nearest, earliest = min(distances, default=None), min(c.day for c in seen)
    rows = []
    for rank, candidate in zip(ranks, chosen, strict=False):
        said = words(
            candidate, guaranteed=rank == 1, nearest_km=nearest, earliest=earliest, due=referral.due_date,
            day=work.today,
        )  # fmt: skip
        codes = {"codes": [PENCILLED]} if candidate.pencilled else {}
        rows.append(
            {
                "referral_id": referral.id, "slot_id": candidate.slot_id, "rank": rank, "guaranteed": rank == 1,
                "state": OfferState.OPEN, "reasons": {"words": said, **codes}, "created_at": work.now,
                "expires_at": ends[candidate.slot_id], "regret": 0,
            }
        )  # fmt: skip
    work.session.flush()
    work.session.execute(insert(Offer), rows)
