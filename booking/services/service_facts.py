"""What a referrer wants to know of services beside their definition: the next time that is free at each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select, union_all

from booking.domain.words import BookingMode, Priority
from booking.models import Service, Slot
from booking.services.directory import rules_of
from booking.services.slots import free_ids
from booking.services.work import Work


@dataclass(frozen=True, slots=True)
class Free:
    """The earliest free time of a service, on the clock of its site."""

    starts_at: datetime

    @property
    def day(self) -> date:
        return self.starts_at.date()


def next_free(
    work: Work, services: Sequence[Service], priority: Priority,
    *, modes: Collection[BookingMode] = (BookingMode.DIRECTLY_BOOKABLE,),
) -> dict[int, Free]:  # fmt: skip
    """The earliest free slot of each service that books in these ways, inside its booking window for that priority.

    ``services`` are loaded as by a search; one short range of an index for each, in one statement.
    """
    bookable = [one for one in services if one.booking_mode in modes]
    parts = [part for service in bookable if (part := _earliest(work, service, priority)) is not None]
    if not parts:
        return {}
    earliest = union_all(*(select(part.subquery()) for part in parts)).subquery()
    rows = work.session.execute(
        select(Slot.service_id, Slot.starts_at, Slot.time_zone).join(earliest, earliest.c.id == Slot.id)
    )
    return {row.service_id: Free(row.starts_at.astimezone(ZoneInfo(row.time_zone))) for row in rows}


def _earliest(work: Work, service: Service, priority: Priority) -> Select[int] | None:
    window = rules_of(service).window(priority, work.today)
    return free_ids(work, service.id, window, priority).limit(1) if window is not None else None
