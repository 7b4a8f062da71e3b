"""Free slots that suit one patient, read in one statement: what serves them between plans in milliseconds.

The soonest few slots of each service are found through the index on service and start, so the time does not grow with
the number of slots there are. Rows are plain, not entities: only what deciding needs is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    FromClause,
    Row,
    Select,
    bindparam,
    column,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.orm import aliased

from booking.domain.eligibility import PRIORITY_BIT, Window, open_dates
from booking.domain.geo import distance_km
from booking.domain.needs import patient_needs, slot_offers, week_part
from booking.domain.referral import CHOOSING
from booking.domain.targets import dates_of_age
from booking.domain.words import BookingMode, BookingState, ConsultationMode, Sex, SlotStatus
from booking.models import (
    Booking,
    Patient,
    Pencil,
    Practitioner,
    Referral,
    ReferralService,
    Service,
    ServicePriority,
    Site,
    Slot,
)
from booking.services.bulk import instant
from booking.services.so_far import SoFar, so_far
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
    notice_days: int
    """So many days ahead the booking window begins."""


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
    so_far: SoFar
    """What was offered, held and booked; slots given up and the patient's other times are not suitable."""


_LISTED = (
    select(
        ReferralService.service_id, Service.organisation_id, Service.interpreters, Service.min_age, Service.max_age,
        Service.operational_from, Service.operational_to, Service.polling_range_days,
        ServicePriority.window_from_days, ServicePriority.window_to_days,
    )
    .join(Service, Service.id == ReferralService.service_id)
    .join(
        ServicePriority,
        (ServicePriority.service_id == Service.id) & (ServicePriority.priority == bindparam("priority")),
    )
    .where(
        ReferralService.referral_id == bindparam("referral_id"),
        Service.booking_mode == BookingMode.DIRECTLY_BOOKABLE,
    )
    .order_by(ReferralService.position)
)  # fmt: skip


def wish_of(work: Work, referral: Referral, known: SoFar | None = None) -> Wish:
    """Of a referral loaded with its patient; ``known`` where what was so far has just been read."""
    patient, today = referral.patient, work.today
    listed = []
    for row in work.rows(_LISTED, {"referral_id": referral.id, "priority": referral.priority}).all():
        dates = _bookable_dates(row, patient, today)
        if dates is not None:
            listed.append(Listed(row.service_id, row.organisation_id, row.interpreters, *dates, row.window_from_days))
    needs = patient_needs(
        step_free=patient.step_free, interpreter=patient.interpreter_language is not None,
        clinician_sex=patient.clinician_sex, video_possible=patient.video_possible,
    )  # fmt: skip
    return Wish(
        referral.id, referral.patient_id, PRIORITY_BIT[referral.priority], referral.named_practitioner_id, patient,
        int(needs), tuple(listed), known or so_far(work, referral),
    )  # fmt: skip


def _bookable_dates(row: Any, patient: Patient, today: date) -> tuple[date, date] | None:
    """First and last day on which the patient may be seen at a service, None where there is none."""
    days = Window(row.window_from_days, row.window_to_days)
    window = open_dates(days, row.operational_from, row.operational_to, row.polling_range_days, today)
    if window is None:
        return None
    ages = dates_of_age(patient.date_of_birth, row.min_age, row.max_age)
    first, last = max(window[0], ages[0]), min(window[1], ages[1])
    return (first, last) if first <= last else None


def find(
    work: Work, wish: Wish, *, per_service: int, days: tuple[date, date] | None = None, unpencilled: bool = False
) -> list[Found]:
    """The soonest ``per_service`` free slots of each service, those of them that suit, in order of time.

    ``unpencilled``: only slots with a place that nobody else is pencilled for.
    """
    return suiting(wish, _read(work, wish, per_service, days, unpencilled))


def suiting(wish: Wish, rows: Iterable[Any]) -> list[Found]:
    """Of the rows read those that meet the patient's needs, times and distance, and were not given up or in the way."""
    services = {one.service_id: one for one in wish.services}
    given_up, elsewhere = wish.so_far.given_up(), wish.so_far.elsewhere()
    farthest, unsuitable, needs = wish.patient.farthest_km, wish.patient.unsuitable_times, wish.needs
    distances: dict[int, float | None] = {}
    found = []
    for row in rows:
        (key, service_id, starts_at, ends_at, day, zone, mode, site_id, _, capacity, step_free, latitude, longitude,
         sex, occupied, others) = row  # fmt: skip
        if site_id not in distances:
            distances[site_id] = _distance(wish.patient, latitude, longitude)
        km = distances[site_id]
        if farthest is not None and km is not None and km > farthest:
            continue
        part = week_part(starts_at.astimezone(_zone(zone)))
        if unsuitable >> part & 1 or key in given_up:
            continue
        service = services[service_id]
        if needs & ~_offers(step_free, service.interpreters, sex, mode):
            continue
        if elsewhere and any(starts_at < end and start < ends_at for start, end in elsewhere):
            continue
        found.append(
            Found(
                key, service_id, service.provider_id, starts_at, ends_at, day, part % 3, km,
                capacity - occupied - others,
            )
        )  # fmt: skip
    return found


_zone = lru_cache(maxsize=64)(ZoneInfo)


@lru_cache(maxsize=256)
def _offers(step_free: bool, interpreters: bool, sex: Sex | None, mode: ConsultationMode) -> int:
    return int(slot_offers(site_step_free=step_free, interpreters=interpreters, practitioner_sex=sex, mode=mode))


def _distance(patient: Patient, latitude: float | None, longitude: float | None) -> float | None:
    if patient.latitude is None or patient.longitude is None or latitude is None or longitude is None:
        return None
    return distance_km(patient.latitude, patient.longitude, latitude, longitude)


def pencilled(me: ColumnElement[int], of: type[Slot] = Slot) -> ColumnElement[int]:
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
        .where(Pencil.slot_id == of.id, Pencil.referral_id != me, Referral.state.in_(sorted(CHOOSING)), ~busy)
        .correlate(of)
        .scalar_subquery()
    )


def taken(of: type[Slot] = Slot) -> ColumnElement[int]:
    """SQL: occupied places of the slot (of the enclosing query) at the moment ``now``."""
    occupied = (
        Booking.released_at.is_(None),
        or_(Booking.state != BookingState.HELD, Booking.held_until > bindparam("now")),
    )
    return (
        select(func.count()).select_from(Booking).where(Booking.slot_id == of.id, *occupied).correlate(of)
        .scalar_subquery()
    )  # fmt: skip


def _columns() -> tuple[Any, ...]:
    return (
        Slot.id, Slot.service_id, Slot.starts_at, Slot.ends_at, Slot.local_date, Slot.time_zone, Slot.mode,
        Slot.site_id, Slot.practitioner_id, Slot.capacity, Site.step_free, Site.latitude, Site.longitude,
        Practitioner.sex,
        taken().label("taken"), pencilled(bindparam("me")).label("pencilled"),
    )  # fmt: skip


@cache
def _soonest(postgresql: bool, named: bool, unpencilled: bool) -> Select[*tuple[Any, ...]]:
    """The soonest free slots of each service listed, one short index range each. Built once.

    One plan whatever the number of services: a ``UNION`` of as many parts takes as long to plan as to run.
    """
    wanted, (service, after, before, first, last) = _wanted(postgresql)
    near = aliased(Slot, name="near")
    part = select(near.id).where(
        near.service_id == service,
        near.status == SlotStatus.PUBLISHED,
        near.starts_at > after,
        near.starts_at < before,
        near.local_date >= first,
        near.local_date <= last,
        near.priorities.bitwise_and(bindparam("bit")) != 0,
        (taken(near) + pencilled(bindparam("me"), near) if unpencilled else taken(near)) < near.capacity,
    )
    if named:
        part = part.where(near.practitioner_id == bindparam("practitioner"))
    part = part.order_by(near.starts_at, near.id).limit(bindparam("most"))
    query = select(*_columns())
    if postgresql:
        soonest = part.lateral("soonest")
        query = query.select_from(wanted).join(soonest, true()).join(Slot, Slot.id == soonest.c.id)
    else:
        query = query.select_from(wanted).join(Slot, Slot.id.in_(part.correlate(wanted)))
    query = query.join(Site, Site.id == Slot.site_id)
    return query.outerjoin(Practitioner, Practitioner.id == Slot.practitioner_id).order_by(Slot.starts_at, Slot.id)


def _wanted(postgresql: bool) -> tuple[FromClause, tuple[Any, ...]]:
    """The services listed as rows: key, instants between which and days on which to look."""
    if postgresql:
        kinds: tuple[Any, ...] = (BigInteger(), DateTime(timezone=True), DateTime(timezone=True), Date(), Date())
        given: list[Any] = [bindparam(name, type_=ARRAY(kind)) for name, kind in zip(_WANTED, kinds, strict=True)]
        names: list[Any] = [column(name, kind) for name, kind in zip(_WANTED, kinds, strict=True)]
        rows = func.unnest(*given).table_valued(*names, name="wanted").render_derived()
        return rows, tuple(rows.c)
    each = func.json_each(bindparam("wanted")).table_valued("value", name="wanted")
    return each, tuple(func.json_extract(each.c.value, f"$[{n}]") for n in range(len(_WANTED)))


_WANTED = ("service", "after", "before", "first", "last")


def _read(
    work: Work, wish: Wish, most: int, days: tuple[date, date] | None, unpencilled: bool
) -> Sequence[Row[*tuple[Any, ...]]]:
    values: dict[str, Any] = {"now": work.now, "bit": wish.priority_bit, "most": most, "me": wish.referral_id}
    if wish.practitioner_id is not None:
        values["practitioner"] = wish.practitioner_id
    rows = []
    for one in wish.services:
        first, last = (max(one.first, days[0]), min(one.last, days[1])) if days else (one.first, one.last)
        if first <= last:
            # A day each side in UTC, then the exact day at the site: the index works on instants, people on dates.
            early, late = _midnight(first - timedelta(days=1), work), _midnight(last + timedelta(days=2), work)
            rows.append((one.service_id, max(work.now, early), late, first, last))
    if not rows:
        return []
    if work.postgresql:
        values |= {name: list(each) for name, each in zip(_WANTED, zip(*rows, strict=True), strict=True)}
    else:
        values["wanted"] = json.dumps(
            [(key, instant(after), instant(before), str(first), str(last)) for key, after, before, first, last in rows]
        )
    return work.rows(_soonest(work.postgresql, wish.practitioner_id is not None, unpencilled), values).all()


def _midnight(day: date, work: Work) -> datetime:
    return datetime.combine(day, datetime.min.time(), work.now.tzinfo)


_OF_SLOTS = (
    select(*_columns())
    .join(Site, Site.id == Slot.site_id)
    .outerjoin(Practitioner, Practitioner.id == Slot.practitioner_id)
    .where(
        Slot.id.in_(bindparam("ids", expanding=True)), Slot.status == SlotStatus.PUBLISHED,
        Slot.starts_at > bindparam("now"), Slot.priorities.bitwise_and(bindparam("bit")) != 0,
    )
)  # fmt: skip


def among(work: Work, wish: Wish, slot_ids: Iterable[int], *, full: bool = False) -> list[Found]:
    """Of these slots those that suit and are free (``full``: or not)."""
    values = {"now": work.now, "bit": wish.priority_bit, "me": wish.referral_id, "ids": sorted(slot_ids)}
    services: Mapping[int, Listed] = {one.service_id: one for one in wish.services}
    rows = [
        row
        for row in work.rows(_OF_SLOTS, values).all()
        if row.service_id in services
        and services[row.service_id].first <= row.local_date <= services[row.service_id].last
        and wish.practitioner_id in (None, row.practitioner_id)
        and (full or row.taken < row.capacity)
    ]
    return suiting(wish, rows)
