"""Free slots that suit one patient, read in one statement: what serves them between plans in milliseconds.

The soonest few slots of each service are found through the index on service and start, so the time does not grow with
the number of slots there are. Rows are plain, not entities: only what deciding needs is fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, CompoundSelect, Select, bindparam, func, or_, select, union_all

from booking.domain.eligibility import PRIORITY_BIT, ServiceRules
from booking.domain.geo import distance_km
from booking.domain.needs import patient_needs, slot_offers, week_part
from booking.domain.referral import CHOOSING
from booking.domain.targets import dates_of_age
from booking.domain.words import BookingState, ConsultationMode, OfferState, Sex, SlotStatus
from booking.models import Booking, Offer, Patient, Pencil, Practitioner, Referral, Site, Slot
from booking.services.slots import usable_services
from booking.services.work import Work


class Found(NamedTuple):
    """A slot that has a free place and suits the patient."""

    id: int
    service_id: int
    provider_id: int
    starts_at: datetime
    ends_at: datetime
    local_date: date
    part: int
    """0 morning, 1 afternoon, 2 evening, in the site's own time."""
    distance_km: float | None
    spare: int
    """Free places that nobody else is pencilled for; 0 or less where taking it displaces somebody."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A service of the shortlist and the days on which the referral may be seen there."""

    service_id: int
    provider_id: int
    interpreters: bool
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Wish:
    """What decides which slots suit a referral; days are those from which to look."""

    referral_id: int
    patient_id: int
    priority_bit: int
    practitioner_id: int | None
    patient: Patient
    needs: int
    """Bits of :class:`booking.domain.needs.Need`."""
    services: tuple[Listed, ...]


def wish_of(referral: Referral, today: date) -> Wish:
    """Of a referral loaded with its patient, and its shortlist with the services' rules."""
    patient = referral.patient
    listed = []
    for service, rules in usable_services(referral):
        dates = bookable_dates(rules, referral, today)
        if dates is not None:
            listed.append(Listed(service.id, service.organisation_id, service.interpreters, *dates))
    needs = patient_needs(
        step_free=patient.step_free, interpreter=patient.interpreter_language is not None,
        clinician_sex=patient.clinician_sex, video_possible=patient.video_possible,
    )  # fmt: skip
    return Wish(
        referral.id, referral.patient_id, PRIORITY_BIT[referral.priority], referral.named_practitioner_id, patient,
        int(needs), tuple(listed),
    )  # fmt: skip


def bookable_dates(rules: ServiceRules, referral: Referral, today: date) -> tuple[date, date] | None:
    """First and last day on which the referral may be seen at a service, None where there is none."""
    window = rules.window(referral.priority, today)
    if window is None:
        return None
    ages = dates_of_age(referral.patient.date_of_birth, rules.min_age, rules.max_age)
    first, last = max(window[0], ages[0]), min(window[1], ages[1])
    return (first, last) if first <= last else None


def find(
    work: Work, wish: Wish, *, per_service: int, days: tuple[date, date] | None = None, unpencilled: bool = False
) -> list[Found]:
    """The soonest ``per_service`` free slots of each service, those of them that suit, in order of time.

    ``unpencilled``: only slots with a place that nobody else is pencilled for.
    """
    return suiting(work, wish, _read(work, wish, per_service, days, unpencilled))


def suiting(work: Work, wish: Wish, rows: Iterable[Any]) -> list[Found]:
    """Of the rows read those that meet the patient's needs, times and distance, and were not given up or in the way."""
    services = {one.service_id: one for one in wish.services}
    away = _away(work, wish)
    farthest, unsuitable, needs = wish.patient.farthest_km, wish.patient.unsuitable_times, wish.needs
    places: dict[int, float | None] = {}
    found = []
    for row in rows:
        service = services[row.service_id]
        if row.site_id not in places:
            places[row.site_id] = _distance(wish.patient, row)
        km = places[row.site_id]
        if farthest is not None and km is not None and km > farthest:
            continue
        part = week_part(row.starts_at.astimezone(_zone(row.time_zone)))
        if unsuitable >> part & 1 or row.id in away.slots:
            continue
        if needs & ~_offers(row.step_free, service.interpreters, row.sex, row.mode):
            continue
        if any(row.starts_at < end and start < row.ends_at for start, end in away.times):
            continue
        spare = row.capacity - row.taken - row.pencilled
        found.append(
            Found(
                row.id, row.service_id, service.provider_id, row.starts_at, row.ends_at, row.local_date, part % 3, km,
                spare,
            )
        )  # fmt: skip
    return found


def of_slot(slot: Slot, patient: Patient) -> Found:
    """A slot loaded with its site and service, as the patient would have it; whether it is free is not asked."""
    part = week_part(slot.starts_at.astimezone(_zone(slot.time_zone)))
    return Found(
        slot.id, slot.service_id, slot.service.organisation_id, slot.starts_at, slot.ends_at, slot.local_date, part % 3,
        _distance(patient, slot.site), 0,
    )  # fmt: skip


_zone = lru_cache(maxsize=64)(ZoneInfo)


@lru_cache(maxsize=256)
def _offers(step_free: bool, interpreters: bool, sex: Sex | None, mode: ConsultationMode) -> int:
    return int(slot_offers(site_step_free=step_free, interpreters=interpreters, practitioner_sex=sex, mode=mode))


def _distance(patient: Patient, row: Any) -> float | None:
    if patient.latitude is None or patient.longitude is None or row.latitude is None or row.longitude is None:
        return None
    return distance_km(patient.latitude, patient.longitude, row.latitude, row.longitude)


@dataclass(frozen=True, slots=True)
class _Away:
    """What the patient gave up for this referral, and when they are elsewhere for another."""

    slots: set[int]
    times: list[tuple[datetime, datetime]]


_AWAY: CompoundSelect[*tuple[Any, ...]] = union_all(
    select(Offer.slot_id, Slot.starts_at, Slot.ends_at, bindparam("no", False).label("elsewhere"))
    .join(Slot, Slot.id == Offer.slot_id)
    .where(Offer.referral_id == bindparam("referral_id"), Offer.state == OfferState.DECLINED),
    select(Booking.slot_id, Booking.starts_at, Booking.ends_at, bindparam("no", False).label("elsewhere")).where(
        Booking.referral_id == bindparam("referral_id"), Booking.state == BookingState.CANCELLED
    ),
    select(Booking.slot_id, Booking.starts_at, Booking.ends_at, bindparam("yes", True).label("elsewhere")).where(
        Booking.patient_id == bindparam("patient_id"), Booking.referral_id != bindparam("referral_id"),
        Booking.released_at.is_(None), or_(Booking.state != BookingState.HELD, Booking.held_until > bindparam("now")),
        Booking.ends_at > bindparam("now"),
    ),
)  # fmt: skip


def _away(work: Work, wish: Wish) -> _Away:
    """Slots given up for this referral (offering them again would be deaf), and the patient's other times."""
    names = {"referral_id": wish.referral_id, "patient_id": wish.patient_id, "now": work.now}
    rows = work.session.execute(_AWAY, names).all()
    given_up = {row[0] for row in rows if not row[3]}
    return _Away(given_up, [(row[1], row[2]) for row in rows if row[3]])


def pencilled(me: ColumnElement[int]) -> ColumnElement[int]:
    """SQL: how many others, who are still choosing and have nothing kept or booked, are pencilled for the slot (of the
    enclosing query)."""
    busy = (
        select(Booking.id)
        .where(Booking.referral_id == Pencil.referral_id, Booking.state.in_((BookingState.HELD, BookingState.BOOKED)))
        .correlate(Pencil)
        .exists()
    )
    return (
        select(func.count())
        .select_from(Pencil)
        .join(Referral, Referral.id == Pencil.referral_id)
        .where(Pencil.slot_id == Slot.id, Pencil.referral_id != me, Referral.state.in_(sorted(CHOOSING)), ~busy)
        .correlate(Slot)
        .scalar_subquery()
    )


def taken() -> ColumnElement[int]:
    """SQL: occupied places of the slot (of the enclosing query) at the moment ``now``."""
    occupied = (
        Booking.released_at.is_(None),
        or_(Booking.state != BookingState.HELD, Booking.held_until > bindparam("now")),
    )
    return (
        select(func.count()).select_from(Booking).where(Booking.slot_id == Slot.id, *occupied).correlate(Slot)
        .scalar_subquery()
    )  # fmt: skip


def _columns() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Slot.id, Slot.service_id, Slot.starts_at, Slot.ends_at, Slot.local_date, Slot.time_zone, Slot.mode,
            Slot.site_id, Slot.practitioner_id, Slot.capacity, Site.step_free, Site.latitude, Site.longitude,
            Practitioner.sex,
            taken().label("taken"), pencilled(bindparam("me")).label("pencilled"),
        )
        .join(Site, Site.id == Slot.site_id)
        .outerjoin(Practitioner, Practitioner.id == Slot.practitioner_id)
    )  # fmt: skip


@lru_cache(maxsize=64)
def _statement(services: int, named: bool, unpencilled: bool) -> Select[*tuple[Any, ...]]:
    """The soonest free slots of so many services, one short index range each. Built once."""
    parts = []
    for n in range(services):
        part = select(Slot.id).where(
            Slot.service_id == bindparam(f"service_{n}"),
            Slot.status == SlotStatus.PUBLISHED,
            Slot.starts_at > bindparam(f"after_{n}"),
            Slot.starts_at < bindparam(f"before_{n}"),
            Slot.local_date >= bindparam(f"first_{n}"),
            Slot.local_date <= bindparam(f"last_{n}"),
            Slot.priorities.bitwise_and(bindparam("bit")) != 0,
            (taken() + pencilled(bindparam("me")) if unpencilled else taken()) < Slot.capacity,
        )
        if named:
            part = part.where(Slot.practitioner_id == bindparam("practitioner"))
        parts.append(select(part.order_by(Slot.starts_at, Slot.id).limit(bindparam("most")).subquery()))
    ids = (union_all(*parts) if len(parts) > 1 else parts[0]).subquery()
    return _columns().join(ids, ids.c.id == Slot.id).order_by(Slot.starts_at, Slot.id)


def _read(work: Work, wish: Wish, most: int, days: tuple[date, date] | None, unpencilled: bool) -> list[Any]:
    values: dict[str, Any] = {"now": work.now, "bit": wish.priority_bit, "most": most, "me": wish.referral_id}
    if wish.practitioner_id is not None:
        values["practitioner"] = wish.practitioner_id
    count = 0
    for one in wish.services:
        first, last = (max(one.first, days[0]), min(one.last, days[1])) if days else (one.first, one.last)
        if first > last:
            continue
        # A day each side in UTC, then the exact day at the site: the index works on instants, people on dates.
        early, late = _midnight(first - timedelta(days=1), work), _midnight(last + timedelta(days=2), work)
        values |= {
            f"service_{count}": one.service_id, f"after_{count}": max(work.now, early), f"before_{count}": late,
            f"first_{count}": first, f"last_{count}": last,
        }  # fmt: skip
        count += 1
    if count == 0:
        return []
    return list(work.session.execute(_statement(count, wish.practitioner_id is not None, unpencilled), values))


def _midnight(day: date, work: Work) -> datetime:
    return datetime.combine(day, datetime.min.time(), work.now.tzinfo)


_OF_SLOTS = _columns().where(
    Slot.id.in_(bindparam("ids", expanding=True)), Slot.status == SlotStatus.PUBLISHED,
    Slot.starts_at > bindparam("now"), Slot.priorities.bitwise_and(bindparam("bit")) != 0,
)  # fmt: skip


def among(work: Work, wish: Wish, slot_ids: Iterable[int], *, full: bool = False) -> list[Found]:
    """Of these slots those that suit and are free (``full``: or not)."""
    values = {"now": work.now, "bit": wish.priority_bit, "me": wish.referral_id, "ids": sorted(slot_ids)}
    services: Mapping[int, Listed] = {one.service_id: one for one in wish.services}
    rows = [
        row
        for row in work.session.execute(_OF_SLOTS, values)
        if row.service_id in services
        and services[row.service_id].first <= row.local_date <= services[row.service_id].last
        and wish.practitioner_id in (None, row.practitioner_id)
        and (full or row.taken < row.capacity)
    ]
    return suiting(work, wish, rows)
