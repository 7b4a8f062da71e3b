"""Free slots that a referral may use: the patient's own search beside what is offered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select, tuple_, union_all
from sqlalchemy.orm import joinedload

from booking.domain.eligibility import PRIORITY_BIT, ServiceRules
from booking.domain.targets import dates_of_age
from booking.domain.words import BookingMode, SlotStatus
from booking.models import Referral, Service, Slot
from booking.services.directory import rules_of
from booking.services.places import has_free_place
from booking.services.work import Work


@dataclass(frozen=True, slots=True)
class SlotSearch:
    service_ids: tuple[int, ...] = ()
    """Narrow to these of the shortlist; empty takes the whole shortlist."""
    first_date: date | None = None
    last_date: date | None = None
    after: tuple[datetime, int] | None = None
    """Keyset cursor: the start and key of the last slot of the page before."""
    limit: int = 20


def usable_services(referral: Referral) -> list[tuple[Service, ServiceRules]]:
    """The shortlisted services that can be booked online, with their rules."""
    pairs = [(row.service, rules_of(row.service)) for row in referral.shortlist]
    return [(service, rules) for service, rules in pairs if rules.booking_mode is BookingMode.DIRECTLY_BOOKABLE]


def free_slots(work: Work, referral: Referral, search: SlotSearch) -> list[Slot]:
    """The earliest free slots of the shortlist inside the booking windows, ``search.limit`` of them.

    One short index range per service, merged: the time does not grow with the number of slots there are.
    """
    parts = []
    for service, rules in usable_services(referral):
        if search.service_ids and service.id not in search.service_ids:
            continue
        dates = _dates(rules, referral, search, work.today)
        if dates is not None:
            parts.append(_one_service(work, referral, service.id, dates, search))
    if not parts:
        return []
    candidates = union_all(*(select(part.subquery()) for part in parts)).subquery()
    query = (
        select(Slot)
        .join(candidates, candidates.c.id == Slot.id)
        .options(
            joinedload(Slot.site),
            joinedload(Slot.practitioner),
            joinedload(Slot.service).joinedload(Service.organisation),
        )
        .order_by(Slot.starts_at, Slot.id)
        .limit(search.limit)
    )
    return list(work.session.scalars(query))


def _dates(rules: ServiceRules, referral: Referral, search: SlotSearch, today: date) -> tuple[date, date] | None:
    window = rules.window(referral.priority, today)
    if window is None:
        return None
    ages = dates_of_age(referral.patient.date_of_birth, rules.min_age, rules.max_age)
    first = max(window[0], ages[0], search.first_date or date.min)
    last = min(window[1], ages[1], search.last_date or date.max)
    return (first, last) if first <= last else None


def _one_service(work: Work, referral: Referral, service_id: int, dates: tuple[date, date], search: SlotSearch):  # type: ignore[no-untyped-def]
    # A day each side in UTC, then the exact day at the site: the index works on instants, people on dates.
    earliest = datetime.combine(dates[0] - timedelta(days=1), datetime.min.time(), work.now.tzinfo)
    latest = datetime.combine(dates[1] + timedelta(days=2), datetime.min.time(), work.now.tzinfo)
    query = select(Slot.id).where(
        Slot.service_id == service_id,
        Slot.status == SlotStatus.PUBLISHED,
        Slot.starts_at > max(work.now, earliest),
        Slot.starts_at < latest,
        Slot.local_date >= dates[0],
        Slot.local_date <= dates[1],
        Slot.priorities.bitwise_and(PRIORITY_BIT[referral.priority]) != 0,
        has_free_place(work.now),
    )
    if referral.named_practitioner_id is not None:
        query = query.where(Slot.practitioner_id == referral.named_practitioner_id)
    if search.after is not None:
        query = query.where(tuple_(Slot.starts_at, Slot.id) > search.after)
    return query.order_by(Slot.starts_at, Slot.id).limit(search.limit)
