"""Free slots that a referral may use: the patient's own search beside what is offered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Select, Subquery, select, tuple_, union_all
from sqlalchemy.orm import joinedload

from booking.domain.eligibility import PRIORITY_BIT, ServiceRules
from booking.domain.targets import dates_of_age
from booking.domain.words import BookingMode, ConsultationMode, Priority, Sex, SlotStatus
from booking.models import Practitioner, Referral, Service, Site, Slot
from booking.services.directory import rules_of
from booking.services.places import has_free_place
from booking.services.work import Work

SLOT_DETAIL = (
    joinedload(Slot.site),
    joinedload(Slot.practitioner),
    joinedload(Slot.service).joinedload(Service.organisation),
)
"""All that a page says of a slot."""


@dataclass(frozen=True, slots=True)
class SlotSearch:
    service_ids: tuple[int, ...] = ()
    """Narrow to these of the shortlist; empty takes the whole shortlist."""
    first_date: date | None = None
    last_date: date | None = None
    after: tuple[datetime, int] | None = None
    """Keyset cursor: the start and key of the last slot of the page before."""
    slot_ids: tuple[int, ...] = ()
    """Narrow to these; empty takes all."""
    limit: int = 20


class FreeTime(NamedTuple):
    """A free slot as a plain row: what narrowing and counting need."""

    id: int
    service_id: int
    starts_at: datetime
    ends_at: datetime
    local_date: date
    time_zone: str
    mode: ConsultationMode
    step_free: bool
    latitude: float | None
    longitude: float | None
    clinician_sex: Sex | None


def usable_services(referral: Referral) -> list[tuple[Service, ServiceRules]]:
    """The shortlisted services that can be booked online, with their rules."""
    pairs = [(row.service, rules_of(row.service)) for row in referral.shortlist]
    return [(service, rules) for service, rules in pairs if rules.booking_mode is BookingMode.DIRECTLY_BOOKABLE]


def free_slots(work: Work, referral: Referral, search: SlotSearch) -> list[Slot]:
    """The earliest free slots of the shortlist inside the booking windows, ``search.limit`` of them.

    One short index range per service, merged: the time does not grow with the number of slots there are.
    """
    candidates = _soonest(work, referral, search)
    if candidates is None:
        return []
    query = (
        select(Slot)
        .join(candidates, candidates.c.id == Slot.id)
        .options(*SLOT_DETAIL)
        .order_by(Slot.starts_at, Slot.id)
        .limit(search.limit)
    )
    return list(work.session.scalars(query))


def free_times(work: Work, referral: Referral, search: SlotSearch) -> list[FreeTime]:
    """The same as plain rows, for as many as are to be counted."""
    candidates = _soonest(work, referral, search)
    if candidates is None:
        return []
    query = (
        select(
            Slot.id, Slot.service_id, Slot.starts_at, Slot.ends_at, Slot.local_date, Slot.time_zone, Slot.mode,
            Site.step_free, Site.latitude, Site.longitude, Practitioner.sex,
        )
        .join(candidates, candidates.c.id == Slot.id)
        .join(Site, Site.id == Slot.site_id)
        .outerjoin(Practitioner, Practitioner.id == Slot.practitioner_id)
        .order_by(Slot.starts_at, Slot.id)
        .limit(search.limit)
    )  # fmt: skip
    return [FreeTime(*row) for row in work.rows(query).all()]


def first_days(work: Work, referral: Referral) -> dict[int, date]:
    """The first day with a free time at each bookable service of the shortlist; without those that have none."""
    soonest = _soonest(work, referral, SlotSearch(limit=1))
    if soonest is None:
        return {}
    query = select(Slot.service_id, Slot.local_date).join(soonest, soonest.c.id == Slot.id)
    return {row.service_id: row.local_date for row in work.rows(query).all()}


def _soonest(work: Work, referral: Referral, search: SlotSearch) -> Subquery | None:
    parts = _parts(work, referral, search)
    return union_all(*(select(part.subquery()) for part in parts)).subquery() if parts else None


def _parts(work: Work, referral: Referral, search: SlotSearch) -> list[Select[int]]:
    parts = []
    for service, rules in usable_services(referral):
        if search.service_ids and service.id not in search.service_ids:
            continue
        dates = _dates(rules, referral, search, work.today)
        if dates is not None:
            parts.append(_one_service(work, referral, service.id, dates, search))
    return parts


def _dates(rules: ServiceRules, referral: Referral, search: SlotSearch, today: date) -> tuple[date, date] | None:
    window = rules.window(referral.priority, today)
    if window is None:
        return None
    ages = dates_of_age(referral.patient.date_of_birth, rules.min_age, rules.max_age)
    first = max(window[0], ages[0], search.first_date or date.min)
    last = min(window[1], ages[1], search.last_date or date.max)
    return (first, last) if first <= last else None


def free_ids(work: Work, service_id: int, dates: tuple[date, date], priority: Priority) -> Select[int]:
    """SQL: keys of the service's slots with a free place for the priority on these days at the site, soonest first."""
    # A day each side in UTC, then the exact day at the site: the index works on instants, people on dates.
    earliest = datetime.combine(dates[0] - timedelta(days=1), datetime.min.time(), work.now.tzinfo)
    latest = datetime.combine(dates[1] + timedelta(days=2), datetime.min.time(), work.now.tzinfo)
    query = select(Slot.id).where(
        Slot.service_id == service_id,
        Slot.status == SlotStatus.PUBLISHED,
        Slot.starts_at > max(work.now, earliest),
        Slot.starts_at < latest,
        Slot.local_date.between(*dates),
        Slot.priorities.bitwise_and(PRIORITY_BIT[priority]) != 0,
        has_free_place(work.now),
    )
    return query.order_by(Slot.starts_at, Slot.id)


def _one_service(
    work: Work, referral: Referral, service_id: int, dates: tuple[date, date], search: SlotSearch
) -> Select[int]:
    query = free_ids(work, service_id, dates, referral.priority)
    if referral.named_practitioner_id is not None:
        query = query.where(Slot.practitioner_id == referral.named_practitioner_id)
    if search.slot_ids:
        query = query.where(Slot.id.in_(search.slot_ids))
    if search.after is not None:
        query = query.where(tuple_(Slot.starts_at, Slot.id) > search.after)
    return query.limit(search.limit)
