"""A provider's calendar: its times by week, added up by the database, and the clinics of one day.

Closed times are read apart from published ones: each kind has an index of its own, and the calendar of one week never
walks through the slots of years.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, Subquery, and_, func, literal_column, select, tuple_, union_all

from booking.domain.words import BookingState, SlotStatus
from booking.models import Booking, Practitioner, Service, Site, Slot
from booking.services.places import occupying
from booking.services.publishing import on_dates
from booking.services.work import Work

SHOWN = (SlotStatus.PUBLISHED, SlotStatus.CLOSED)


@dataclass(frozen=True, slots=True)
class Named:
    """Something to choose from."""

    id: int
    name: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Own:
    """What the caller's organisation has: services, sites and clinicians, each by name."""

    services: list[Named]
    sites: list[Named]
    practitioners: list[Named]


def own_services(work: Work) -> list[Named]:
    """The services of the caller's organisation, each with its site."""
    query = select(Service.id, Service.name, Site.name.label("site")).join(Site, Site.id == Service.site_id)
    query = query.where(Service.organisation_id == work.actor.organisation_id).order_by(Service.name, Service.id)
    return [Named(row.id, row.name, row.site) for row in work.session.execute(query)]


def own(work: Work) -> Own:
    mine = work.actor.organisation_id
    clinicians = select(Practitioner.id, Practitioner.name, Practitioner.identifier)
    sites = select(Site.id, Site.name).where(Site.organisation_id == mine).order_by(Site.name, Site.id)
    return Own(
        own_services(work),
        [Named(row.id, row.name) for row in work.session.execute(sites)],
        [Named(row.id, row.name, row.identifier) for row in work.session.execute(
            clinicians.where(Practitioner.organisation_id == mine).order_by(Practitioner.name, Practitioner.id))],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scope:
    """Which times: of these services of the caller's, narrowed to a clinician and a site where they are given."""

    service_ids: tuple[int, ...]
    practitioner_id: int | None = None
    site_id: int | None = None
    nobody: bool = False
    """Only times that name no clinician."""


def scope(
    known: Own, service_id: int | None = None, practitioner_id: int | None = None, site_id: int | None = None,
    *, nobody: bool = False,
) -> Scope:  # fmt: skip
    """What was asked for, as far as it is the caller's; anything else narrows nothing."""
    ids = [one.id for one in known.services]
    return Scope(
        (service_id,) if service_id is not None and service_id in ids else tuple(ids),
        practitioner_id if any(one.id == practitioner_id for one in known.practitioners) else None,
        site_id if any(one.id == site_id for one in known.sites) else None,
        nobody,
    )


_COLUMNS = (
    Slot.id, Slot.service_id, Slot.site_id, Slot.practitioner_id, Slot.provider_slot_id, Slot.starts_at, Slot.ends_at,
    Slot.local_date, Slot.time_zone, Slot.appointment_type, Slot.mode, Slot.priorities, Slot.capacity,
    Slot.overbooked_places, Slot.status,
)  # fmt: skip


def slots_of(wanted: Scope, first: date, last: date | None) -> Subquery:
    """SQL: published and closed slots of the scope on these days at their site."""
    return union_all(*(_of_status(wanted, status, first, last) for status in SHOWN)).subquery()


def _of_status(wanted: Scope, status: SlotStatus, first: date, last: date | None) -> Select[*tuple[Any, ...]]:
    # The word itself stands in the query: an index over one status is used only where the database sees which.
    query: Select[*tuple[Any, ...]] = select(*_COLUMNS).where(
        Slot.status == literal_column(f"'{status.value}'"),
        Slot.service_id.in_(wanted.service_ids),
        on_dates(first, last),
    )
    if wanted.practitioner_id is not None:
        query = query.where(Slot.practitioner_id == wanted.practitioner_id)
    if wanted.nobody:
        query = query.where(Slot.practitioner_id.is_(None))
    if wanted.site_id is not None:
        query = query.where(Slot.site_id == wanted.site_id)
    return query


@dataclass(frozen=True, slots=True)
class Cell:
    """All times that begin at one moment."""

    local: datetime
    """On the clock of the site."""
    slots: int
    places: int
    booked: int
    held: int
    closed: bool
    """Nobody new can take any of them."""
    past: bool
    slot_id: int
    """The one slot, where there is one."""

    @property
    def free(self) -> int:
        return 0 if self.closed else max(0, self.places - self.booked - self.held)


def week(work: Work, wanted: Scope, first: date, last: date) -> list[Cell]:
    """The times from the first day to the last, in order; however many slots begin at once, one entry."""
    if not wanted.service_ids:
        return []
    at = slots_of(wanted, first, last)
    moment = (at.c.starts_at, at.c.time_zone, at.c.status)
    found = work.session.execute(
        select(*moment, func.count().label("slots"), func.sum(at.c.capacity).label("places"), func.min(at.c.id))
        .group_by(*moment)
        .order_by(at.c.starts_at, at.c.status.desc())
    ).all()
    taken: Counter[tuple[Any, ...]] = Counter()
    counted = (
        select(*moment, Booking.state, func.count().label("number"))
        .join(Booking, Booking.slot_id == at.c.id)
        .where(occupying(work.now))
        .group_by(*moment, Booking.state)
    )
    for starts_at, zone, status, state, number in work.session.execute(counted):
        taken[starts_at, zone, status, state is BookingState.HELD] += number
    return [
        Cell(
            starts_at.astimezone(ZoneInfo(zone)), slots, places,
            booked=taken[starts_at, zone, status, False], held=taken[starts_at, zone, status, True],
            closed=status is SlotStatus.CLOSED, past=starts_at <= work.now, slot_id=slot_id,
        )
        for starts_at, zone, status, slots, places, slot_id in found
    ]  # fmt: skip


def next_day(work: Work, wanted: Scope, after: date) -> date | None:
    """The first day after this one with a published time; None where there is none."""
    if not wanted.service_ids:
        return None
    days = []
    for service_id in wanted.service_ids:
        one = _of_status(replace(wanted, service_ids=(service_id,)), SHOWN[0], after, None)
        days.append(select(one.order_by(Slot.starts_at).limit(1).subquery().c.local_date))
    return min((day for day in work.session.scalars(union_all(*days)) if day is not None), default=None)


def has_any(work: Work) -> bool:
    """Whether the caller's organisation has ever published a time."""
    mine = select(Service.id).where(Service.organisation_id == work.actor.organisation_id)
    return work.session.scalar(select(Slot.id).where(Slot.service_id.in_(mine)).limit(1)) is not None


@dataclass(frozen=True, slots=True)
class Clinic:
    """What one clinician does at one service on one day."""

    service_id: int
    service: str
    practitioner_id: int | None
    practitioner: str
    begins: datetime
    ends: datetime
    slots: int
    places: int
    booked: int


def clinics(work: Work, wanted: Scope, day: date) -> list[Clinic]:
    """The clinics of a day, by their begin."""
    if not wanted.service_ids:
        return []
    at = slots_of(wanted, day, day)
    which = (at.c.service_id, at.c.practitioner_id, at.c.time_zone)
    rows = work.session.execute(
        select(
            *which, Service.name.label("service"), Practitioner.name.label("practitioner"),
            func.min(at.c.starts_at).label("begins"), func.max(at.c.ends_at).label("ends"),
            func.count().label("slots"), func.sum(at.c.capacity).label("places"),
        )
        .join(Service, Service.id == at.c.service_id)
        .outerjoin(Practitioner, Practitioner.id == at.c.practitioner_id)
        .group_by(*which, Service.name, Practitioner.name)
    ).all()  # fmt: skip
    counted = (
        select(at.c.service_id, at.c.practitioner_id, func.count())
        .join(Booking, and_(Booking.slot_id == at.c.id, Booking.released_at.is_(None)))
        .where(Booking.state != BookingState.HELD)
        .group_by(at.c.service_id, at.c.practitioner_id)
    )
    booked = {(row[0], row[1]): row[2] for row in work.session.execute(counted)}
    made = [
        Clinic(
            row.service_id, row.service, row.practitioner_id, row.practitioner or "",
            row.begins.astimezone(ZoneInfo(row.time_zone)), row.ends.astimezone(ZoneInfo(row.time_zone)), row.slots,
            row.places, booked.get((row.service_id, row.practitioner_id), 0),
        )
        for row in rows
    ]  # fmt: skip
    return sorted(made, key=lambda one: (one.begins, one.service, one.practitioner))


@dataclass(frozen=True, slots=True)
class DaySlot:
    """A time of one day as the calendar shows it."""

    id: int
    service_id: int
    service: str
    site: str
    practitioner: str
    starts_at: datetime
    local: datetime
    local_end: datetime
    mode: str
    appointment_type: str
    capacity: int
    closed: bool
    past: bool

    @property
    def minutes(self) -> int:
        # As instants: between two times of one zone Python counts what the clock on the wall shows.
        return int((self.local_end.astimezone(UTC) - self.local.astimezone(UTC)) / timedelta(minutes=1))


def of_day(
    work: Work, wanted: Scope, day: date, *, after: tuple[datetime, int] | None = None, limit: int = 100
) -> list[DaySlot]:
    """The times of a day in order, ``limit`` of them from behind ``after``."""
    if not wanted.service_ids:
        return []
    at = slots_of(wanted, day, day)
    query = (
        select(
            at, Service.name.label("service"), Site.name.label("site"), Practitioner.name.label("practitioner")
        )
        .join(Service, Service.id == at.c.service_id)
        .join(Site, Site.id == at.c.site_id)
        .outerjoin(Practitioner, Practitioner.id == at.c.practitioner_id)
        .order_by(at.c.starts_at, at.c.id)
        .limit(limit)
    )  # fmt: skip
    if after is not None:
        query = query.where(tuple_(at.c.starts_at, at.c.id) > after)
    return [_day_slot(work, row) for row in work.session.execute(query)]


def _day_slot(work: Work, row: Any) -> DaySlot:
    zone = ZoneInfo(row.time_zone)
    return DaySlot(
        row.id, row.service_id, row.service, row.site, row.practitioner or "", row.starts_at,
        row.starts_at.astimezone(zone), row.ends_at.astimezone(zone), row.mode, row.appointment_type, row.capacity,
        closed=row.status is SlotStatus.CLOSED, past=row.starts_at <= work.now,
    )  # fmt: skip


def total(cells: Sequence[Cell]) -> dict[str, int]:
    """Places in all, by what has become of them."""
    return {
        "free": sum(cell.free for cell in cells if not cell.past),
        "held": sum(cell.held for cell in cells),
        "booked": sum(cell.booked for cell in cells),
        "unused": sum(cell.free for cell in cells if cell.past),
    }
