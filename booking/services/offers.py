"""Offers: those a patient has, and making some at once where there are none.

The nightly plan proposes to everybody together. Between plans one patient is served by themselves: the free
slots of their shortlist, cheapest first by the last plan's prices, the first of them held.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select, update
from sqlalchemy.orm import aliased, joinedload

from booking.domain.eligibility import Window
from booking.domain.errors import SlotNotAvailable
from booking.domain.geo import distance_km
from booking.domain.needs import patient_needs, slot_offers, week_part
from booking.domain.offer import Candidate, choose, words
from booking.domain.referral import CHOOSING
from booking.domain.weights import RANK
from booking.domain.words import BookingState, HoldKind, OfferState, SlotStatus
from booking.models import Booking, Offer, Patient, Referral, Service, Slot
from booking.services import places
from booking.services.planning.prices import Prices, last_prices
from booking.services.policy import current_policy
from booking.services.slots import SlotSearch, free_slots, usable_services
from booking.services.work import HOME_ZONE, Work

PER_SERVICE = 30
"""How many of a service's earliest free slots are looked at when one patient is served."""

PER_DAY = 1000
"""More slots than a service has on one day."""
MOST_RANKS = 20

_DETAIL = (
    joinedload(Offer.slot).joinedload(Slot.site),
    joinedload(Offer.slot).joinedload(Slot.practitioner),
    joinedload(Offer.slot).joinedload(Slot.service).joinedload(Service.organisation),
)


def open_offers(work: Work, referral: Referral) -> list[Offer]:
    """The referral's offers that can be taken now, the guaranteed one first: each checked again as it is shown."""
    held_by_me = (
        select(Booking.id)
        .where(
            Booking.slot_id == Slot.id, Booking.referral_id == referral.id, Booking.state == BookingState.HELD,
            Booking.held_until > work.now,
        )
        .exists()
    )  # fmt: skip
    elsewhere = aliased(Booking)
    clash = (
        select(elsewhere.id)
        .where(
            elsewhere.patient_id == referral.patient_id, elsewhere.referral_id != referral.id,
            elsewhere.state == BookingState.BOOKED,
            elsewhere.starts_at < Slot.ends_at, elsewhere.ends_at > Slot.starts_at,
        )
        .exists()
    )  # fmt: skip
    query = (
        select(Offer)
        .join(Slot, Slot.id == Offer.slot_id)
        .where(
            Offer.referral_id == referral.id, Offer.state == OfferState.OPEN, Offer.expires_at > work.now,
            Slot.status == SlotStatus.PUBLISHED, Slot.starts_at > work.now,
            or_(held_by_me, places.has_free_place(work.now)), ~clash,
        )
        .options(*_DETAIL)
        .order_by(Offer.rank)
    )  # fmt: skip
    return list(work.session.scalars(query))


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
    slots = _suitable(work, referral)
    prices = last_prices(work.session, {slot.service_id for slot in slots.values()})
    candidates = [_candidate(work, slot, referral, prices) for slot in slots.values()]
    if not candidates:
        return []
    until = work.now + timedelta(days=policy.offer_days)
    windows = {service.id: rules.windows.get(referral.priority) for service, rules in usable_services(referral)}
    ends = {slot.id: _closes(slot, windows[slot.service_id], until) for slot in slots.values()}
    for _ in range(len(candidates)):
        chosen = choose(candidates, policy.alternatives)
        first = chosen[0]
        try:
            place = places.lock_slot(work, first.slot_id)
            places.hold_place(work, referral, place, HoldKind.OFFER, ends[first.slot_id])
        except SlotNotAvailable:
            candidates.remove(first)  # somebody was quicker: the next best
            continue
        _write(work, referral, chosen, candidates, ends, kept)
        return open_offers(work, referral)
    return []


def _closes(slot: Slot, window: Window | None, until: datetime) -> datetime:
    """When an offer made now ends: at the latest when the slot starts, or its booking window closes behind it."""
    first_day_too_late = slot.local_date - timedelta(days=(window.first_day if window else 0) - 1)
    return min(until, slot.starts_at, datetime.combine(first_day_too_late, time(), HOME_ZONE))


def _close_all_but_freed(work: Work, referral: Referral) -> set[int]:
    """Ranks of the open offers that stay."""
    freed = select(Booking.slot_id).where(
        Booking.referral_id == referral.id, Booking.state == BookingState.HELD, Booking.hold_kind == HoldKind.FREED,
        Booking.held_until > work.now,
    )  # fmt: skip
    mine = (Offer.referral_id == referral.id, Offer.state == OfferState.OPEN)
    work.session.execute(
        update(Offer)
        .where(*mine, or_(Offer.slot_id.not_in(freed), Offer.guaranteed))
        .values(state=OfferState.SUPERSEDED)
        .execution_options(synchronize_session="fetch")
    )
    return set(work.session.scalars(select(Offer.rank).where(*mine)))


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
    candidate = _candidate(work, slot, referral, Prices())
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
    day = SlotSearch(
        service_ids=(slot.service_id,), first_date=slot.local_date, last_date=slot.local_date, limit=PER_DAY
    )
    return slot.id in _fitting(work, referral, {slot.service_id: day})


def _suitable(work: Work, referral: Referral) -> dict[int, Slot]:
    """Free slots near in time at each shortlisted service that meet the patient's needs and times."""
    services = [service.id for service, _ in usable_services(referral)]
    return _fitting(work, referral, {key: SlotSearch(service_ids=(key,), limit=PER_SERVICE) for key in services})


def _fitting(work: Work, referral: Referral, searches: Mapping[int, SlotSearch]) -> dict[int, Slot]:
    """What each service's search finds that meets the patient's needs and times."""
    patient = referral.patient
    needs = patient_needs(
        step_free=patient.step_free, interpreter=patient.interpreter_language is not None,
        clinician_sex=patient.clinician_sex, video_possible=patient.video_possible,
    )  # fmt: skip
    given_up, busy = _given_up(work, referral), _busy(work, referral)
    found: dict[int, Slot] = {}
    for service, _ in usable_services(referral):
        if service.id not in searches:
            continue
        for slot in free_slots(work, referral, searches[service.id]):
            offers = slot_offers(
                site_step_free=slot.site.step_free, interpreters=service.interpreters,
                practitioner_sex=slot.practitioner.sex if slot.practitioner else None, mode=slot.mode,
            )  # fmt: skip
            far = _distance(slot, patient)
            too_far = patient.farthest_km is not None and far is not None and far > patient.farthest_km
            part = week_part(slot.starts_at.astimezone(ZoneInfo(slot.time_zone)))
            elsewhere = slot.id in given_up or any(slot.starts_at < end and start < slot.ends_at for start, end in busy)
            if not needs & ~offers and not patient.unsuitable_times >> part & 1 and not too_far and not elsewhere:
                found[slot.id] = slot
    return found


def _given_up(work: Work, referral: Referral) -> set[int]:
    """Slots the patient cancelled or declined for this referral: offering them again would be deaf."""
    cancelled = (Booking.referral_id == referral.id, Booking.state == BookingState.CANCELLED)
    declined = (Offer.referral_id == referral.id, Offer.state == OfferState.DECLINED)
    return {
        *work.session.scalars(select(Booking.slot_id).where(*cancelled)),
        *work.session.scalars(select(Offer.slot_id).where(*declined)),
    }


def _busy(work: Work, referral: Referral) -> list[tuple[datetime, datetime]]:
    """When another referral of the patient has an appointment, or a time kept for it."""
    rows = work.session.execute(
        select(Booking.starts_at, Booking.ends_at).where(
            Booking.patient_id == referral.patient_id,
            Booking.referral_id != referral.id,
            places.occupying(work.now),
            Booking.ends_at > work.now,
        )
    )
    return [(row.starts_at, row.ends_at) for row in rows]


def _distance(slot: Slot, patient: Patient) -> float | None:
    site = slot.site
    if patient.latitude is None or patient.longitude is None or site.latitude is None or site.longitude is None:
        return None
    return distance_km(patient.latitude, patient.longitude, site.latitude, site.longitude)


def _candidate(work: Work, slot: Slot, referral: Referral, prices: Prices) -> Candidate:
    """The slot as this referral would have it, with the last plan's price of taking it from the others."""
    part = week_part(slot.starts_at.astimezone(ZoneInfo(slot.time_zone))) % 3
    far = _distance(slot, referral.patient)
    price = prices.of(slot.service_id, slot.local_date, part)
    own = None
    if prices.weights is not None:
        parts = prices.weights.parts(
            RANK[referral.priority], waited=(work.today - referral.rtt_clock_start).days,
            target=(referral.due_date - referral.rtt_clock_start).days, day=(slot.local_date - work.today).days, km=far,
        )  # fmt: skip
        own = sum(parts.values())
    return Candidate(
        slot_id=slot.id,
        provider_id=slot.service.organisation_id,
        day=slot.local_date,
        part=part,
        distance_km=far,
        wait_days=(slot.local_date - referral.rtt_clock_start).days,
        late_days=max(0, (slot.local_date - referral.due_date).days),
        price=price,
        own_cost=own,
    )


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
    for rank, candidate in zip(ranks, chosen, strict=False):
        said = words(
            candidate, guaranteed=rank == 1, nearest_km=min(distances, default=None), earliest=min(c.day for c in seen),
            due=referral.due_date, day=work.today,
        )  # fmt: skip
        work.session.add(
            Offer(
                referral_id=referral.id,
                slot_id=candidate.slot_id,
                rank=rank,
                guaranteed=rank == 1,
                state=OfferState.OPEN,
                reasons={"words": said},
                created_at=work.now,
                expires_at=ends[candidate.slot_id],
            )
        )
    work.session.flush()
