"""Times a booking office can give a patient at once: what is kept for them, what suits them, and what is free besides.

Only the provider's own services: it books nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from booking.domain.eligibility import why_service_not
from booking.domain.targets import dates_of_age
from booking.domain.words import BookingMode, BookingState, HoldKind
from booking.models import Booking, Referral, Service, Slot
from booking.services import candidates, places
from booking.services.candidates import Listed, Wish, made_wish
from booking.services.directory import LOADED, rules_of
from booking.services.service_facts import Free, next_free
from booking.services.slots import SLOT_DETAIL, SlotSearch, free_slots
from booking.services.so_far import SoFar, so_far, so_far_of
from booking.services.work import Work

BOOKABLE = (BookingMode.DIRECTLY_BOOKABLE, BookingMode.INDIRECTLY_BOOKABLE)
LOOKED_AT = 40
"""Of each service's soonest free slots: those of them that suit are suggested."""


@dataclass(frozen=True, slots=True)
class Times:
    """``others`` are free and may be booked, but miss something the patient needs or asked for."""

    kept: list[Slot]
    suiting: list[Slot]
    others: list[Slot]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another service of the provider's that takes the referral, and its first free time."""

    service: Service
    first: Free | None


def times(work: Work, referral: Referral, *, since: date | None = None, most: int = 12) -> Times:
    """What the provider could book the referral (loaded with all detail) on, from ``since`` on."""
    wish = own_wish(work, referral, so_far(work, referral))
    days = (since, date.max - timedelta(days=3)) if since is not None else None
    found = candidates.find(work, wish, per_service=LOOKED_AT, days=days, unpencilled=True)
    kept = _kept(work, referral)
    known = {slot.id for slot in kept}
    suiting = [one.id for one in found if one.id not in known][:most]
    known |= {one.id for one in found}
    own = tuple(one.service_id for one in wish.services)
    search = SlotSearch(service_ids=own, first_date=since, limit=most + len(known))
    free = [slot for slot in (free_slots(work, referral, search) if own else []) if slot.id not in known]
    return Times(kept, load(work, suiting), free[:most])


def first_times(work: Work, referrals: Sequence[Referral]) -> dict[int, Slot]:
    """For each referral (with shortlist and patient) the soonest time that suits and is free, by its key."""
    known = so_far_of(work, referrals)
    wishes = [own_wish(work, one, known[one.id]) for one in referrals]
    each = candidates.find_each(work, wishes, per_service=4, unpencilled=True)
    first = {wish.referral_id: found[0].id for wish, found in zip(wishes, each, strict=True) if found}
    slots = {slot.id: slot for slot in load(work, set(first.values()))}
    return {key: slots[slot_id] for key, slot_id in first.items() if slot_id in slots}


def own_wish(work: Work, referral: Referral, known: SoFar) -> Wish:
    """What suits the patient, at the actor's own services of the shortlist, those booked by telephone too."""
    own = []
    for row in referral.shortlist:
        service = row.service
        if service.organisation_id != work.actor.organisation_id or service.booking_mode not in BOOKABLE:
            continue
        rules = rules_of(service)
        window = rules.window(referral.priority, work.today)
        if window is None:
            continue
        ages = dates_of_age(referral.patient.date_of_birth, service.min_age, service.max_age)
        first, last = max(window[0], ages[0]), min(window[1], ages[1])
        notice = rules.windows[referral.priority].first_day
        if first <= last:
            own.append(Listed(service.id, service.organisation_id, service.interpreters, first, last, notice))
    return made_wish(referral, own, known)


def load(work: Work, ids: Iterable[int]) -> list[Slot]:
    """Slots with all that is shown of them, by time."""
    wanted = list(ids)
    if not wanted:
        return []
    query = select(Slot).where(Slot.id.in_(wanted)).options(*SLOT_DETAIL).order_by(Slot.starts_at, Slot.id)
    return list(work.session.scalars(query))


def _kept(work: Work, referral: Referral) -> list[Slot]:
    """Times that are kept for the patient at the actor's services as offers."""
    query = (
        select(Slot)
        .join(Booking, Booking.slot_id == Slot.id)
        .join(Service, Service.id == Slot.service_id)
        .where(
            Booking.referral_id == referral.id, Booking.state == BookingState.HELD, Booking.held_until > work.now,
            Booking.hold_kind != HoldKind.CHOICE, Service.organisation_id == work.actor.organisation_id,
        )
        .options(*SLOT_DETAIL)
        .order_by(Slot.starts_at, Slot.id)
    )  # fmt: skip
    return list(work.session.scalars(query).unique())


def held_now(work: Work, referral: Referral, slot_id: int | None) -> Booking | None:
    """The time kept while the patient says yes on the telephone: of this slot, or the one kept for the call."""
    which = Booking.hold_kind == HoldKind.CHOICE if slot_id is None else Booking.slot_id == slot_id
    query = (
        select(Booking)
        .join(Slot, Slot.id == Booking.slot_id)
        .join(Service, Service.id == Slot.service_id)
        .where(
            Booking.referral_id == referral.id, Booking.state == BookingState.HELD,
            which, Booking.held_until > work.now, Service.organisation_id == work.actor.organisation_id,
        )
        .options(*(joinedload(Booking.slot).options(one) for one in SLOT_DETAIL))
    )  # fmt: skip
    return work.session.scalars(query).first()


def let_go(work: Work, referral: Referral) -> None:
    """End what is kept for the call with a locked referral's patient. What they are confirming elsewhere stays."""
    query = (
        select(Booking.id)
        .join(Slot, Slot.id == Booking.slot_id)
        .join(Service, Service.id == Slot.service_id)
        .where(
            Booking.referral_id == referral.id, Booking.state == BookingState.HELD,
            Booking.hold_kind == HoldKind.CHOICE, Service.organisation_id == work.actor.organisation_id,
        )
    )  # fmt: skip
    places.let_go(work, work.session.scalars(query).all())


def taking(work: Work, referral: Referral) -> list[Service]:
    """Those of the provider's services, by name, that the referral could be sent to now."""
    query = select(Service).where(Service.organisation_id == work.actor.organisation_id).order_by(Service.name)
    found = work.session.scalars(query.options(*LOADED)).unique()
    return [one for one in found if takes(work, one, referral)]


def takes(work: Work, service: Service, referral: Referral) -> bool:
    """Whether the service could be sent the referral now: what a redirection asks, and not where it is already."""
    if service.id == referral.service_id or service.booking_mode is BookingMode.ADVICE_ONLY:
        return False
    why = why_service_not(
        rules_of(service), specialty_code=service.specialty_code, clinic_type=None, priority=referral.priority,
        date_of_birth=referral.patient.date_of_birth, sex=referral.patient.sex, visible=True, today=work.today,
    )  # fmt: skip
    return why is None


def elsewhere(work: Work, referral: Referral) -> list[Elsewhere]:
    """The provider's other services of the same specialty that take the referral and can be booked."""
    same = [
        one for one in taking(work, referral)
        if one.specialty_code == referral.specialty_code and one.booking_mode in BOOKABLE
    ]  # fmt: skip
    first = next_free(work, same, referral.priority, modes=BOOKABLE)
    return sorted(
        (Elsewhere(one, first.get(one.id)) for one in same),
        key=lambda one: (one.first is None, one.first.starts_at if one.first else work.now, one.service.name),
    )
