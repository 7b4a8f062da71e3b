"""Free slots that suit one patient, read in one statement: what serves them between plans in milliseconds.

The soonest few slots of each service are found through the index on service and start, so the time does not grow with
the number of slots there are. Rows are plain, not entities: only what deciding needs is fetched.
"""

from __future__ import annotations

import json
from collections import defaultdict
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
    Integer,
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
from booking.services.so_far import SoFar, so_far, so_far_of
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


_SHORTLISTED = (
    select(
        ReferralService.service_id, Service.organisation_id, Service.interpreters, Service.min_age, Service.max_age,
        Service.operational_from, Service.operational_to, Service.polling_range_days,
        ServicePriority.window_from_days, ServicePriority.window_to_days,
    )
    .join(Service, Service.id == ReferralService.service_id)
    .join(ServicePriority, ServicePriority.service_id == Service.id)
    .where(Service.booking_mode == BookingMode.DIRECTLY_BOOKABLE)
    .order_by(ReferralService.position)
)  # fmt: skip
_LISTED = _SHORTLISTED.where(
    ReferralService.referral_id == bindparam("referral_id"), ServicePriority.priority == bindparam("priority")
)
_ALL_LISTED = (
    _SHORTLISTED.add_columns(ReferralService.referral_id)
    .join(Referral, (Referral.id == ReferralService.referral_id) & (Referral.priority == ServicePriority.priority))
    .where(ReferralService.referral_id.in_(bindparam("ids", expanding=True)))
)


def wish_of(work: Work, referral: Referral, known: SoFar | None = None) -> Wish:
    """Of a referral loaded with its patient; ``known`` where what was so far has just been read."""
    rows = work.rows(_LISTED, {"referral_id": referral.id, "priority": referral.priority}).all()
    return made_wish(referral, _listed(rows, referral.patient, work.today), known or so_far(work, referral))


def wishes_of(work: Work, referrals: Sequence[Referral]) -> list[Wish]:
    """:func:`wish_of` for many, in as many statements as for two."""
    known, rows = so_far_of(work, referrals), defaultdict(list)
    for row in work.rows(_ALL_LISTED, {"ids": [one.id for one in referrals]}).all():
        rows[row.referral_id].append(row)
    return [made_wish(one, _listed(rows[one.id], one.patient, work.today), known[one.id]) for one in referrals]


def _listed(rows: Iterable[Any], patient: Patient, today: date) -> list[Listed]:
    return [
        Listed(row.service_id, row.organisation_id, row.interpreters, *dates, row.window_from_days)
        for row in rows
        if (dates := _bookable_dates(row, patient, today)) is not None
    ]


def made_wish(referral: Referral, services: Iterable[Listed], known: SoFar) -> Wish:
    """The wish at these services, of a referral loaded with its patient."""
    patient = referral.patient
    needs = patient_needs(
        step_free=patient.step_free, interpreter=patient.interpreter_language is not None,
        clinician_sex=patient.clinician_sex, video_possible=patient.video_possible,
    )  # fmt: skip
    return Wish(
        referral.id, referral.patient_id, PRIORITY_BIT[referral.priority], referral.named_practitioner_id, patient,
        int(needs), tuple(services), known,
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


def find_each(work: Work, wishes: Sequence[Wish], *, per_service: int, unpencilled: bool = False) -> list[list[Found]]:
    """:func:`find` for several referrals in one statement, in their order."""
    rows = [
        (*span, one.referral_id, one.priority_bit, one.practitioner_id)
        for one in {one.referral_id: one for one in wishes}.values()
        for span in _spans(work, one, None)
    ]
    found = defaultdict(list)
    if rows:
        query = _soonest(work.postgresql, False, unpencilled, many=True)
        values = {"now": work.now, "most": per_service, **_given(work, (*_WANTED, *_EACH), rows)}
        for *row, referral_id in work.rows(query, values).all():
            found[referral_id].append(row)
    return [suiting(one, found[one.referral_id]) for one in wishes]


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


def pencilled(me: ColumnElement[int], of: type[Slot] = Slot, *beside: FromClause) -> ColumnElement[int]:
    """SQL: how many others, who are still choosing and have nothing kept or booked, are pencilled for the slot (of the
    enclosing query). ``beside``: what of that query ``me`` is a column of."""
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
        .correlate(of, *beside)
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


def _columns(me: ColumnElement[int], *beside: FromClause) -> tuple[Any, ...]:
    return (
        Slot.id, Slot.service_id, Slot.starts_at, Slot.ends_at, Slot.local_date, Slot.time_zone, Slot.mode,
        Slot.site_id, Slot.practitioner_id, Slot.capacity, Site.step_free, Site.latitude, Site.longitude,
        Practitioner.sex,
        taken().label("taken"), pencilled(me, Slot, *beside).label("pencilled"),
    )  # fmt: skip


@cache
def _soonest(postgresql: bool, named: bool, unpencilled: bool, *, many: bool = False) -> Select[*tuple[Any, ...]]:
    """The soonest free slots of each service listed, one short index range each. Built once.

    One plan whatever the number of services: a ``UNION`` of as many parts takes as long to plan as to run.
    ``many``: each service listed says for which referral, whose key is the last column.
    """
    wanted, (service, after, before, first, last, *each) = _wanted(postgresql, many)
    me, bit, practitioner = each or (bindparam("me"), bindparam("bit"), bindparam("practitioner"))
    beside = (wanted,) if many else ()
    near = aliased(Slot, name="near")
    part = select(near.id).where(
        near.service_id == service,
        near.status == SlotStatus.PUBLISHED,
        near.starts_at > after,
        near.starts_at < before,
        near.local_date >= first,
        near.local_date <= last,
        near.priorities.bitwise_and(bit) != 0,
        (taken(near) + pencilled(me, near, *beside) if unpencilled else taken(near)) < near.capacity,
    )
    if many:
        part = part.where(or_(practitioner.is_(None), near.practitioner_id == practitioner))
    elif named:
        part = part.where(near.practitioner_id == practitioner)
    part = part.order_by(near.starts_at, near.id).limit(bindparam("most"))
    query = select(*_columns(me, *beside), *([me.label("referral")] if many else []))
    if postgresql:
        soonest = part.lateral("soonest")
        query = query.select_from(wanted).join(soonest, true()).join(Slot, Slot.id == soonest.c.id)
    else:
        query = query.select_from(wanted).join(Slot, Slot.id.in_(part.correlate(wanted)))
    query = query.join(Site, Site.id == Slot.site_id)
    return query.outerjoin(Practitioner, Practitioner.id == Slot.practitioner_id).order_by(Slot.starts_at, Slot.id)


def _wanted(postgresql: bool, many: bool) -> tuple[FromClause, tuple[Any, ...]]:
    """The services listed as rows: key, instants between which and days on which to look; and for whom."""
    kinds: Mapping[str, Any] = _WANTED | _EACH if many else _WANTED
    if postgresql:
        given: list[Any] = [bindparam(name, type_=ARRAY(kind)) for name, kind in kinds.items()]
        names: list[Any] = [column(name, kind) for name, kind in kinds.items()]
        rows = func.unnest(*given).table_valued(*names, name="wanted").render_derived()
        return rows, tuple(rows.c)
    each = func.json_each(bindparam("wanted")).table_valued("value", name="wanted")
    return each, tuple(func.json_extract(each.c.value, f"$[{n}]") for n in range(len(kinds)))


_WANTED = {
    "service": BigInteger(), "after": DateTime(timezone=True), "before": DateTime(timezone=True), "first": Date(),
    "last": Date(),
}  # fmt: skip
_EACH = {"for_referral": BigInteger(), "for_bit": Integer(), "for_practitioner": BigInteger()}


def _read(
    work: Work, wish: Wish, most: int, days: tuple[date, date] | None, unpencilled: bool
) -> Sequence[Row[*tuple[Any, ...]]]:
    values: dict[str, Any] = {"now": work.now, "bit": wish.priority_bit, "most": most, "me": wish.referral_id}
    if wish.practitioner_id is not None:
        values["practitioner"] = wish.practitioner_id
    rows = _spans(work, wish, days)
    if not rows:
        return []
    values |= _given(work, tuple(_WANTED), rows)
    return work.rows(_soonest(work.postgresql, wish.practitioner_id is not None, unpencilled), values).all()


def _spans(
    work: Work, wish: Wish, days: tuple[date, date] | None
) -> list[tuple[int, datetime, datetime, date, date]]:  # fmt: skip
    """Each service of the wish with the instants between which and the days on which to look."""
    rows = []
    for one in wish.services:
        first, last = (max(one.first, days[0]), min(one.last, days[1])) if days else (one.first, one.last)
        if first <= last:
            # A day each side in UTC, then the exact day at the site: the index works on instants, people on dates.
            early, late = _midnight(first - timedelta(days=1), work), _midnight(last + timedelta(days=2), work)
            rows.append((one.service_id, max(work.now, early), late, first, last))
    return rows


def _given(work: Work, names: Iterable[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """Rows wanted as the statement takes them."""
    if work.postgresql:
        return {name: list(each) for name, each in zip(names, zip(*rows, strict=True), strict=True)}
    plain = [
        (key, instant(after), instant(before), str(first), str(last), *more)
        for key, after, before, first, last, *more in rows
    ]
    return {"wanted": json.dumps(plain)}


def _midnight(day: date, work: Work) -> datetime:
    return datetime.combine(day, datetime.min.time(), work.now.tzinfo)


_OF_SLOTS = (
    select(*_columns(bindparam("me")))
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
