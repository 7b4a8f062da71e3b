"""One worklist taken up entry after entry, and what the office would need to clear another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from booking.domain.words import SlotStatus, Worklist
from booking.models import Referral, Service, Slot
from booking.services import worklists
from booking.services.places import has_free_place
from booking.services.work import Work
from booking.services.worklists import Entry, Wanted

MOST_SERVICES = 6
"""Whose shortage is worked out for one page."""


def next_entry(
    work: Work, worklist: Worklist, *, service_id: int | None = None, after: tuple[str, int] | None = None
) -> Entry | None:
    """The entry due soonest, or the one that comes after another."""
    found = worklists.entries(work, Wanted(worklist, service_id=service_id, after=after, limit=1))
    return found[0] if found else None


def left(work: Work, worklist: Worklist, *, service_id: int | None = None) -> int:
    """How many referrals of the actor's organisation are on the list."""
    query = select(func.count()).where(
        Referral.worklist == worklist, Referral.worklist_organisation_id == work.actor.organisation_id
    )
    if service_id is not None:
        query = query.where(Referral.service_id == service_id)
    return work.session.scalar(query) or 0


@dataclass(frozen=True, slots=True)
class Shortage:
    """A service at which people wait for a time: how many, and how many free places there are."""

    service_id: int
    service: str
    waiting: int
    free: int
    """At most as many as wait."""

    @property
    def missing(self) -> int:
        return self.waiting - self.free


def shortages(work: Work) -> list[Shortage]:
    """Where appointment slot issues wait, most first, with how many places more would clear each."""
    waiting = (
        select(Service.id, Service.name, Service.polling_range_days, func.count().label("waiting"))
        .join(Referral, Referral.service_id == Service.id)
        .where(
            Referral.worklist == Worklist.APPOINTMENT_SLOT_ISSUES,
            Referral.worklist_organisation_id == work.actor.organisation_id,
        )
        .group_by(Service.id, Service.name, Service.polling_range_days)
        .order_by(func.count().desc(), Service.name)
        .limit(MOST_SERVICES)
    )
    rows = work.session.execute(waiting).all()
    return [
        Shortage(row.id, row.name, row.waiting, _free(work, row.id, row.polling_range_days, row.waiting))
        for row in rows
    ]  # fmt: skip


def _free(work: Work, service_id: int, days: int, most: int) -> int:
    """Slots to come with a free place, as far as they are shown, ``most`` of them."""
    some = (
        select(Slot.id)
        .where(
            Slot.service_id == service_id, Slot.status == SlotStatus.PUBLISHED, Slot.starts_at > work.now,
            Slot.starts_at < work.now + timedelta(days=days), has_free_place(work.now),
        )
        .order_by(Slot.starts_at)
        .limit(most)
    )  # fmt: skip
    return work.session.scalar(select(func.count()).select_from(some.subquery())) or 0
