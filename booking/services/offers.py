"""Offers: those a patient has, and making some at once where there are none.

The nightly plan proposes to everybody together. Between plans one patient is served by themselves: the free
slots of their shortlist, cheapest first by the last plan's prices, the first of them held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from sqlalchemy import Select, bindparam, insert, or_, select, update
from sqlalchemy.orm import aliased, joinedload

from booking.domain.errors import SlotNotAvailable
from booking.domain.offer import PENCILLED, Candidate, Rule, choose, words
from booking.domain.referral import CHOOSING
from booking.domain.words import BookingState, HoldKind, OfferState, SlotStatus
from booking.models import Booking, Offer, Organisation, Practitioner, Referral, Service, Site, Slot
from booking.services import candidates, pencils, places
from booking.services.candidates import Found, Wish, wish_of
from booking.services.pencils import Way
from booking.services.planning.prices import Prices, last_prices
from booking.services.policy import current_policy
from booking.services.so_far import SoFar, Taken, forget, so_far
from booking.services.work import HOME_ZONE, Work

FIRST_LOOK, PER_SERVICE = 10, 30
"""How many of a service's earliest free slots are looked at when one patient is served: so many, and the larger number
where these do not make a full set of offers."""
MOST_RANKS = 20

_SERVICE = joinedload(Offer.slot).joinedload(Slot.service)
_DETAIL = (
    joinedload(Offer.slot).joinedload(Slot.site).load_only(
        Site.name, Site.address, Site.postcode, Site.latitude, Site.longitude, Site.step_free
    ),
    joinedload(Offer.slot).joinedload(Slot.practitioner).load_only(Practitioner.name, Practitioner.sex),
    _SERVICE.load_only(
        Service.name, Service.organisation_id, Service.instructions, Service.telephone, Service.interpreters
    ),
    _SERVICE.joinedload(Service.organisation).load_only(Organisation.name),
)  # fmt: skip
"""What is shown of an offer, and no more: every column read takes its time."""


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
    """The open offers of a locked referral (loaded with its patient); fresh ones where it is choosing and has none."""
    known = so_far(work, referral)
    found = open_offers(work, referral) if known.open() else []
    if referral.state not in CHOOSING or any(offer.guaranteed for offer in found):
        return found
    return propose_now(work, referral, known)


def propose_now(work: Work, referral: Referral, known: SoFar | None = None) -> list[Offer]:
    """Offer the referral what is free at this moment: the best is held, the others differ from it.

    An offer of a place somebody gave back stays beside them: it is kept on terms of its own.
    """
    known = known or so_far(work, referral)
    kept = _close_all_but_freed(work, known)
    policy = current_policy(work.session, work.today)
    wish = wish_of(work, referral, known)
    rule = policy.offer_rule()
    for most in (FIRST_LOOK, PER_SERVICE):
        found = _look(work, wish, most)
        prices = last_prices(work.session, {one.service_id for one in found})
        seen = _candidates(found, referral, prices, work.today)
        spare = {one.id: one.spare for one in found}
        if len(choose((seen[key] for key in seen if spare[key] > 0), rule)) > rule.most:
            break
    until = work.now + timedelta(days=policy.offer_days)
    notice = {one.service_id: one.notice_days for one in wish.services}
    ends = {one.id: _closes(one, notice[one.service_id], until) for one in found}
    while seen and (way := _way(work, referral, seen, spare)) is not None:
        first = way.moves[0][1]
        if _keep(work, referral, way, ends[first], known.holds(HoldKind.OFFER)):
            chosen = _beside(work, referral, seen, spare, first, rule)
            _write(work, referral, chosen, list(seen.values()), ends, kept)
            return open_offers(work, referral)
        del seen[first]  # somebody was quicker: the next best
    return []


def _look(work: Work, wish: Wish, most: int) -> list[Found]:
    """The soonest free slots of each service; where others are pencilled for all of these, those nobody is, too."""
    found = candidates.find(work, wish, per_service=most)
    if any(one.spare > 0 for one in found):
        return found
    known = {one.id for one in found}
    further = candidates.find(work, wish, per_service=most, unpencilled=True) if found else []
    return found + [one for one in further if one.id not in known]


def _way(work: Work, referral: Referral, seen: Mapping[int, Candidate], spare: Mapping[int, int]) -> Way | None:
    """To the best place that can be had. Where others are pencilled, what moving them loses stands for the price."""
    best = min(seen.values(), key=Candidate.order)
    if spare[best.slot_id] > 0:
        return Way(((referral.id, best.slot_id),))
    costs = {key: (one.own_cost or 0) + (one.price if spare[key] > 0 else 0) for key, one in seen.items()}
    way = pencils.way_to(work, referral, costs, spare)
    if way is None:
        # Nothing at all can be had otherwise: a target to come would be missed.
        in_time = sorted((one for one in seen.values() if not one.late_days), key=Candidate.order)
        way = pencils.outranking(work, referral, [one.slot_id for one in in_time])
    return way


def _keep(work: Work, referral: Referral, way: Way, until: datetime, before: Sequence[Taken]) -> bool:
    """Hold the way's first place for the referral and move whoever it displaces; False where somebody was quicker."""
    try:
        place = places.lock_place(work, way.moves[0][1])
        if place is None:
            return False
        hold = places.keep(work, referral, place, HoldKind.OFFER, until, before)
    except SlotNotAvailable:
        return False
    if pencils.follow(work, way):
        return True
    places.let_go(work, [hold])
    return False


def _beside(
    work: Work, referral: Referral, seen: Mapping[int, Candidate], spare: Mapping[int, int], first: int, rule: Rule
) -> list[Candidate]:
    """The slot kept, then those that differ from it and from each other and can be had too."""
    rest = {key: one for key, one in seen.items() if key != first}
    while True:
        chosen = choose(rest.values(), rule, first=seen[first])
        barred = [
            one.slot_id
            for one in chosen[1:]
            if spare[one.slot_id] <= 0 and not pencils.can_have(work, referral, one.slot_id)
        ]
        if not barred:
            return [seen[first], *(replace(one, pencilled=spare[one.slot_id] <= 0) for one in chosen[1:])]
        for slot_id in barred:
            del rest[slot_id]


def _closes(slot: Found, notice_days: int, until: datetime) -> datetime:
    """When an offer made now ends: at the latest when the slot starts, or its booking window closes behind it."""
    first_day_too_late = slot.local_date - timedelta(days=notice_days - 1)
    return min(until, slot.starts_at, datetime.combine(first_day_too_late, time(), HOME_ZONE))


def _close_all_but_freed(work: Work, known: SoFar) -> set[int]:
    """Ranks of the open offers that stay."""
    freed = {one.slot_id for one in known.holds(HoldKind.FREED) if one.lives(work.now)}
    over = [one.id for one in known.open() if one.guaranteed or one.slot_id not in freed]
    close(work, over, OfferState.SUPERSEDED)
    return {one.rank for one in known.open() if one.id not in over}


_CLOSE = (
    update(Offer)
    .where(Offer.id.in_(bindparam("keys", expanding=True)), Offer.state == OfferState.OPEN)
    .values(state=bindparam("ends"))
)


def close(work: Work, keys: Sequence[int], ends: OfferState) -> None:
    """End these offers so."""
    if keys:
        work.rows(_CLOSE, {"keys": keys, "ends": ends})
        forget(work.session, Offer, keys, "state")


def add_offer(work: Work, referral: Referral, found: Fit, until: datetime) -> int:
    """One more offer, of a slot held for the locked referral: the guaranteed one if it has none. Returns its key.

    An older guaranteed offer whose time is not kept any more makes room.
    """
    slot, known = found.slot, so_far(work, referral) if found.known is None else found.known
    first = next((one for one in known.open() if one.rank == 1), None)
    guaranteed = first is None or not any(one.rank == 1 and one.guaranteed for one in open_offers(work, referral))
    taken = {one.rank for one in known.open() if one.rank > 1}
    if guaranteed and first is not None:
        close(work, [first.id], OfferState.SUPERSEDED)
    rank = next(rank for rank in range(1 if guaranteed else 2, MOST_RANKS + 1) if rank not in taken)
    candidate = _candidates([slot], referral, Prices(), work.today)[slot.id]
    said = words(candidate, guaranteed=True, nearest_km=None, earliest=date.min, due=referral.due_date, day=work.today)
    made = {
        "referral_id": referral.id, "slot_id": slot.id, "rank": rank, "guaranteed": guaranteed,
        "state": OfferState.OPEN, "reasons": {"words": said}, "regret": 0, "created_at": work.now, "expires_at": until,
    }  # fmt: skip
    return int(work.rows(_MAKE, [made]).scalar_one())


class Fit(NamedTuple):
    """A slot that suits a referral, and what the referral was offered until now."""

    slot: Found
    known: SoFar | None


def fits(work: Work, referral: Referral, slot_id: int) -> Fit | None:
    """The slot as one that the referral (loaded with its patient) could be offered now; None where it does not suit or
    is not free."""
    wish = wish_of(work, referral)
    found = candidates.among(work, wish, (slot_id,))
    return Fit(found[0], wish.so_far) if found else None


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
    work.rows(_MAKE, rows)


_MAKE = insert(Offer).returning(Offer.id)
