"""Extra places of slots as they are published: those there keep theirs, new ones go by their service's percentage.

So the same sent again changes nothing, and a new percentage touches only what is published from then on. A slot that
was withdrawn and is put back counts as new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, select

from booking.domain.overbooking import extra_places
from booking.domain.slot import MOST_PLACES
from booking.domain.words import SlotStatus
from booking.models import Slot

if TYPE_CHECKING:
    from booking.services.slot_writing import Item


def with_extra(
    connection: Connection, percent: Mapping[int, int], items: Sequence[Item], there: Mapping[tuple[int, str], Row[Any]]
) -> list[Item]:
    """The items, in their order, with their extra places.

    ``percent`` is by service, ``there`` are the slots of these names by service and name.
    """
    extra: dict[Item, int] = {}
    new: dict[int, list[Item]] = defaultdict(list)
    for item in items:
        row = there.get((item.service.id, item.slot.provider_slot_id))
        if row is not None and row.status is not SlotStatus.WITHDRAWN:
            extra[item] = row.overbooked_places
        elif percent[item.service.id]:
            new[item.service.id].append(item)
    for service_id, some in new.items():
        some.sort(key=lambda item: (item.local_date, item.slot.practitioner_id or 0, item.slot.starts_at))
        before = _places_on(connection, service_id, some[0].local_date, some[-1].local_date)
        places = [item.slot.capacity for item in some]
        extra.update(zip(some, extra_places(places, percent[service_id], before=before), strict=True))
    return [_with(item, min(extra.get(item, 0), MOST_PLACES - item.slot.capacity)) for item in items]


def _with(item: Item, extra: int) -> Item:
    return item if item.extra == extra else replace(item, extra=extra)


def _places_on(connection: Connection, service_id: int, first: date, last: date) -> tuple[int, int]:
    """Places that the service has on these days as they were sent, and the extra ones."""
    sent = func.coalesce(func.sum(Slot.capacity - Slot.overbooked_places), 0)
    row = connection.execute(
        select(sent, func.coalesce(func.sum(Slot.overbooked_places), 0)).where(
            Slot.service_id == service_id, Slot.status != SlotStatus.WITHDRAWN,
            Slot.local_date >= first, Slot.local_date <= last,
        )
    ).one()  # fmt: skip
    return int(row[0]), int(row[1])
