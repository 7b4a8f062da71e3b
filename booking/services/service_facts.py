"""What a referrer wants to know of services beside their definition: the next time that is free at each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select, union_all

from booking.domain.eligibility import PRIORITY_BIT
from booking.domain.words import BookingMode, Priority, SlotStatus
from booking.models import Service, Slot
from booking.services.directory import rules_of
from booking.services.places import has_free_place
from booking.services.work import Work


@dataclass(frozen=True, slots=True)
class Free:
    """The earliest free time of a service, on the clock of its site."""

    starts_at: datetime

    @property
    def day(self) -> date:
        return self.starts_at.date()


def next_free(work: Work, services: Sequence[Service], priority: Priority) -> dict[int, Free]:
    """The earliest free slot of each service that books online, inside its booking window for that priority.

    ``services`` are loaded as by a search; one short range of an index for each, in one statement.
    """
    parts = [part for service in services if (part := _earliest(work, service, priority)) is not None]
    if not parts:
        return {}
    earliest = union_all(*(select(part.subquery()) for part in parts)).subquery()
    rows = work.session.execute(
        select(Slot.service_id, Slot.starts_at, Slot.time_zone).join(earliest, earliest.c.id == Slot.id)
    )
    return {row.service_id: Free(row.starts_at.astimezone(ZoneInfo(row.time_zone))) for row in rows}


def _earliest(work: Work, service: Service, priority: Priority):  # type: ignore[no-untyped-def]  # a SQL expression
    if service.booking_mode is not BookingMode.DIRECTLY_BOOKABLE:
        return None
    window = rules_of(service).window(priority, work.today)
    if window is None:
        return None
    first, last = window
    # A day each side in UTC, then the exact day at the site: the index works on instants, people on dates.
    earliest = datetime.combine(first - timedelta(days=1), datetime.min.time(), work.now.tzinfo)
    latest = datetime.combine(last + timedelta(days=2), datetime.min.time(), work.now.tzinfo)
    return (
        select(Slot.id)
        .where(
            Slot.service_id == service.id,
            Slot.status == SlotStatus.PUBLISHED,
            Slot.starts_at > max(work.now, earliest),
            Slot.starts_at < latest,
            Slot.local_date.between(first, last),
            Slot.priorities.bitwise_and(PRIORITY_BIT[priority]) != 0,
            has_free_place(work.now),
        )
        .order_by(Slot.starts_at, Slot.id)
        .limit(1)
    )
