"""One worklist taken up entry after entry, and what the office would need to clear another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from sqlalchemy import func, literal, select, union_all

from booking.domain.eligibility import PRIORITY_BIT
from booking.domain.words import Priority, Worklist
from booking.models import Referral, Service, Slot
from booking.services import directory, worklists
from booking.services.places import free_places
from booking.services.slots import free_ids
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
    """A service at which people wait for a time: how many, and how many of them the free places are enough for."""

    service_id: int
    service: str
    waiting: int
    free: int
    """Places that somebody of those who wait may have, by their priority."""

    @property
    def missing(self) -> int:
        return self.waiting - self.free


def shortages(work: Work) -> list[Shortage]:
    """Where appointment slot issues wait, most first, with how many places more would clear each."""
    query = (
        select(Service.id, Service.name, Referral.priority, func.count().label("number"))
        .join(Referral, Referral.service_id == Service.id)
        .where(
            Referral.worklist == Worklist.APPOINTMENT_SLOT_ISSUES,
            Referral.worklist_organisation_id == work.actor.organisation_id,
        )
        .group_by(Service.id, Service.name, Referral.priority)
    )
    waiting: dict[tuple[int, str], dict[Priority, int]] = defaultdict(dict)
    for row in work.rows(query).all():
        waiting[row.id, row.name][row.priority] = row.number
    most = sorted(waiting.items(), key=lambda one: (-sum(one[1].values()), one[0][1]))[:MOST_SERVICES]
    free = _free(work, {key: by_priority for (key, _), by_priority in most})
    return [
        Shortage(key, name, sum(by_priority.values()), _enough_for(by_priority, free.get(key, {})))
        for (key, name), by_priority in most
    ]


def _free(work: Work, waiting: Mapping[int, Mapping[Priority, int]]) -> dict[int, dict[int, int]]:
    """Free places by service and by which priorities (as bits) may have them now, as far as they could be needed."""
    parts = []
    for service in directory.services_by_id(work.session, waiting).values():
        rules, most = directory.rules_of(service), sum(waiting[service.id].values())
        for priority in waiting[service.id]:
            window = rules.window(priority, work.today)
            if window is not None:
                some = free_ids(work, service.id, window, priority).limit(most).subquery()
                parts.append(select(some.c.id, literal(PRIORITY_BIT[priority]).label("bit")))
    if not parts:
        return {}
    usable = union_all(*parts).subquery()
    whose = select(usable.c.id, func.sum(usable.c.bit).label("bits")).group_by(usable.c.id).subquery()
    query = select(Slot.service_id, whose.c.bits, free_places(work.now).label("places"))
    each = query.join(whose, whose.c.id == Slot.id).subquery()
    summed = select(each.c.service_id, each.c.bits, func.sum(each.c.places)).group_by(each.c.service_id, each.c.bits)
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for service_id, bits, places in work.rows(summed).all():
        found[service_id][int(bits)] = int(places)
    return found


def _enough_for(waiting: Mapping[Priority, int], places: Mapping[int, int]) -> int:
    """How many can be given a place: for whichever priorities one looks, those of the others and the places they share.

    The least of these sums is the largest number there can be (the theorem of Hall and König).
    """
    sums = []
    for chosen in product((False, True), repeat=len(waiting)):
        bits = sum(PRIORITY_BIT[one] for one, taken in zip(waiting, chosen, strict=True) if taken)
        others = sum(number for number, taken in zip(waiting.values(), chosen, strict=True) if not taken)
        sums.append(others + sum(number for whose, number in places.items() if whose & bits))
    return min(sums)
