"""Writing published slots: set by set, idempotent, and never over a slot that somebody holds or has booked.

A set is a few thousand slots: one statement reads what is there, one changes, one inserts. So a million go
in with flat memory. What the database refuses (a clinician in two places) is found by halving the set.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Row,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)

from booking.domain.errors import BeingChanged, BookingError, Conflict
from booking.domain.slot import Outcome, PublishedSlot, Result
from booking.domain.words import BookingState, SlotStatus
from booking.models import Booking, Service, Slot
from booking.services.overbooking import with_extra
from booking.services.places import occupying
from booking.services.refusals import translated
from booking.services.slot_endings import end_holds, request_plan
from booking.services.work import Work

SET_SIZE = 2000
SQLITE_INSERT_SIZE = 100
"""Each statement inside a savepoint walks a list of the pages changed since the savepoint: keep the list short."""
MOST_DEFERRED = 20_000
"""Slots put off until the clinician's other slots have moved; beyond that they are refused at once."""

_SLOT = cast(Table, Slot.__table__)
_FIELDS = (
    "site_id", "practitioner_id", "starts_at", "ends_at", "local_date", "time_zone", "appointment_type", "mode",
    "priorities", "capacity", "overbooked_places",
)  # fmt: skip
_MOVES = ("practitioner_id", "starts_at", "ends_at")


@dataclass(frozen=True, slots=True)
class AtService:
    """What a slot gets from its service."""

    id: int
    site_id: int
    zone: ZoneInfo
    organisation_id: int


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A slot to write. ``token`` is the sender's name for it (an index, a row of a file) and is handed back."""

    token: Any
    service: AtService
    slot: PublishedSlot
    extra: int = 0
    """Places beyond those sent, against missed appointments; the writer sees to it."""

    @property
    def local_date(self) -> date:
        """The day at the site."""
        return self.slot.starts_at.astimezone(self.service.zone).date()


Decided = tuple[Item, Outcome]


class SlotWriter:
    """Writes the slots of one publication. Nothing is committed here.

    No two items of a publication may name the same slot: whoever parses the input refuses that.
    """

    def __init__(self, work: Work, publication_id: int) -> None:
        self._work = work
        self._publication_id = publication_id
        self._connection = work.session.connection()
        self._insert_size = SET_SIZE if work.postgresql else SQLITE_INSERT_SIZE
        self._locked: set[int] = set()
        self._percent: dict[int, int] = {}
        self.overbooked = 0
        """Extra places of the slots added and changed so far."""
        self._deferred: list[Item] = []

    def put(self, items: Sequence[Item]) -> list[Decided]:
        """Write up to :data:`SET_SIZE` items; those decided come back, others wait for :meth:`finish`."""
        self.lock_services({item.service.id for item in items})
        there = {(row.service_id, row.provider_slot_id): row for row in self._connection.execute(self._named(items))}
        done: list[Decided] = []
        fresh: list[Item] = []
        differing: dict[int, Item] = {}
        for item in with_extra(self._connection, self._percent, items, there):
            row = there.get((item.service.id, item.slot.provider_slot_id))
            if row is None:
                fresh.append(item)
            elif _same(row, item):
                done.append((item, Outcome(item.slot.provider_slot_id, Result.UNCHANGED)))
            else:
                differing[row.id] = item
        done += self._change(differing)
        for first in range(0, len(fresh), self._insert_size):
            part = fresh[first : first + self._insert_size]
            done += self._settle(part, self._attempt(part, self._insert), Result.ADDED)
        return done

    def finish(self) -> list[Decided]:
        """Try what was put off, again and again while that helps; what is left is refused."""
        done: list[Decided] = []
        while self._deferred:
            waiting, self._deferred = self._deferred, []
            for first in range(0, len(waiting), SET_SIZE):
                done += self.put(waiting[first : first + SET_SIZE])
            if len(self._deferred) == len(waiting):
                done += [(item, self._elsewhere(item)) for item in self._deferred]
                self._deferred = []
        return done

    def lock_services(self, ids: set[int]) -> None:
        # One publication at a time for a service; referrals and bookings for it go on (NO KEY UPDATE).
        wanted = ids - self._locked
        if wanted:
            query = select(Service.id, Service.overbooking_percent).where(Service.id.in_(sorted(wanted)))
            with translated():
                rows = self._connection.execute(query.order_by(Service.id).with_for_update(key_share=True))
                self._percent.update((row.id, row.overbooking_percent) for row in rows)
            self._locked |= wanted

    def _named(self, items: Sequence[Item]) -> Select[Any]:
        """The slots that the items name, as one parameter or two however many they are."""
        services = [item.service.id for item in items]
        names = [item.slot.provider_slot_id for item in items]
        service_id: ColumnElement[Any]
        name: ColumnElement[Any]
        if self._work.postgresql:
            lists = func.unnest(literal(services, ARRAY(BigInteger)), literal(names, ARRAY(Text)))
            wanted = lists.table_valued("service_id", "name", name="wanted").render_derived()
            service_id, name = wanted.c.service_id, wanted.c.name
        else:
            wanted = func.json_each(json.dumps(list(zip(services, names, strict=True)))).table_valued("value")
            service_id = func.json_extract(wanted.c.value, "$[0]")
            name = func.json_extract(wanted.c.value, "$[1]")
        columns = [_SLOT.c[field] for field in ("id", "service_id", "provider_slot_id", "status", *_FIELDS)]
        joined = wanted.join(_SLOT, and_(_SLOT.c.service_id == service_id, _SLOT.c.provider_slot_id == name))
        return select(*columns).select_from(joined)

    def _change(self, differing: dict[int, Item]) -> list[Decided]:
        if not differing:
            return []
        rows = lock_slots(self._work, differing)
        taken = occupied(self._work, differing)
        done: list[Decided] = []
        free: list[Item] = []
        rows_of: dict[Item, Row[Any]] = {}
        for slot_id, item in differing.items():
            row, name = rows[slot_id], item.slot.provider_slot_id
            if slot_id in taken and not _only_reopens(row, item):
                done.append((item, _kept(name, taken[slot_id])))
            else:
                free.append(item)
                rows_of[item] = row
        refused = self._attempt(free, lambda part: self._update(part, rows_of))
        return done + self._settle(free, refused, Result.CHANGED)

    def _update(self, items: Sequence[Item], rows: dict[Item, Row[Any]]) -> None:
        parked = [rows[item].id for item in items if _moves(rows[item], item)]
        if parked:
            # Two slots of a clinician that change places would be in each other's way: off first, then back.
            self._connection.execute(update(_SLOT).where(_SLOT.c.id.in_(parked)).values(status=SlotStatus.WITHDRAWN))
        values = [{**_values(item), "_id": rows[item].id, "_publication": self._publication_id} for item in items]
        statement = (
            update(_SLOT)
            .where(_SLOT.c.id == bindparam("_id"))
            .values(
                {field: bindparam(field) for field in _FIELDS}
                | {"status": SlotStatus.PUBLISHED, "version": _SLOT.c.version + 1}
                | {"publication_id": bindparam("_publication")}
            )
        )
        self._connection.execute(statement, values)

    def _insert(self, items: Sequence[Item]) -> None:
        common = {"publication_id": self._publication_id, "status": SlotStatus.PUBLISHED, "version": 1}
        self._connection.execute(
            insert(_SLOT),
            [
                {
                    **_values(item), **common,
                    "service_id": item.service.id, "provider_slot_id": item.slot.provider_slot_id,
                }
                for item in items
            ],
        )  # fmt: skip

    def _attempt(self, items: Sequence[Item], write: Callable[[Sequence[Item]], None]) -> dict[Item, BookingError]:
        """Write all, or find by halving which ones the database refuses and write the others."""
        if not items:
            return {}
        try:
            with translated(), self._connection.begin_nested():
                write(items)
            return {}
        except BeingChanged:
            raise
        except BookingError as error:
            if len(items) == 1:
                return {items[0]: error}
        half = len(items) // 2
        return self._attempt(items[:half], write) | self._attempt(items[half:], write)

    def _settle(self, items: Iterable[Item], refused: dict[Item, BookingError], result: Result) -> list[Decided]:
        done: list[Decided] = []
        for item in items:
            name, error = item.slot.provider_slot_id, refused.get(item)
            if error is None:
                done.append((item, Outcome(name, result)))
                self.overbooked += item.extra
            elif not isinstance(error, Conflict):
                done.append((item, Outcome(name, Result.REFUSED, error.code, error.message)))
            elif len(self._deferred) < MOST_DEFERRED:
                self._deferred.append(item)
            else:
                done.append((item, self._elsewhere(item)))
        return done

    def _elsewhere(self, item: Item) -> Outcome:
        """The clinician is in another slot then; say which."""
        slot = item.slot
        other = self._connection.execute(
            select(_SLOT.c.provider_slot_id, Service.name)
            .join(Service, Service.id == _SLOT.c.service_id)
            .where(
                _SLOT.c.practitioner_id == slot.practitioner_id, _SLOT.c.status != SlotStatus.WITHDRAWN,
                _SLOT.c.starts_at < slot.ends_at, _SLOT.c.ends_at > slot.starts_at,
                ~and_(_SLOT.c.service_id == item.service.id, _SLOT.c.provider_slot_id == slot.provider_slot_id),
            )
            .order_by(_SLOT.c.starts_at)
            .limit(1)
        ).first()  # fmt: skip
        which = f" {other.provider_slot_id!r} of {other.name}" if other is not None else ""
        message = f"The clinician has another slot at that time:{which}." if which else "The clinician is elsewhere."
        return Outcome(slot.provider_slot_id, Result.REFUSED, "PRACTITIONER_ELSEWHERE", message)


def _values(item: Item) -> dict[str, Any]:
    slot, service = item.slot, item.service
    return {
        "site_id": service.site_id,
        "practitioner_id": slot.practitioner_id,
        "starts_at": slot.starts_at,
        "ends_at": slot.ends_at,
        "local_date": item.local_date,
        "time_zone": service.zone.key,
        "appointment_type": slot.appointment_type,
        "mode": slot.mode,
        "priorities": slot.priorities,
        "capacity": slot.capacity + item.extra,
        "overbooked_places": item.extra,
    }


def _same_fields(row: Row[Any], item: Item) -> bool:
    values, found = _values(item), row._mapping
    return all(found[field] == values[field] for field in _FIELDS)


def _same(row: Row[Any], item: Item) -> bool:
    return row.status is SlotStatus.PUBLISHED and _same_fields(row, item)


def _only_reopens(row: Row[Any], item: Item) -> bool:
    """The slot was closed while booked and is published again as it was: nobody's appointment changes."""
    return row.status is SlotStatus.CLOSED and _same_fields(row, item)


def _moves(row: Row[Any], item: Item) -> bool:
    """The clinician of the slot would be free at its old time."""
    moved = any(row._mapping[field] != getattr(item.slot, field) for field in _MOVES)
    return moved and row.practitioner_id is not None


def _kept(name: str, state: BookingState) -> Outcome:
    if state is BookingState.HELD:
        message = "Somebody is being offered this slot at the moment, so it was left as it is."
        return Outcome(name, Result.REFUSED, "SLOT_IS_HELD", message)
    message = "The slot is booked, so it was left as it is. Cancel the appointment first, with a reason."
    return Outcome(name, Result.REFUSED, "SLOT_IS_BOOKED", message)


def lock_slots(work: Work, ids: Iterable[int]) -> dict[int, Row[Any]]:
    """Lock slots in order of key, so that two who lock many never wait for each other in a circle."""
    columns = [_SLOT.c[field] for field in ("id", "provider_slot_id", "status", *_FIELDS)]
    query = select(*columns).where(_SLOT.c.id.in_(sorted(ids))).order_by(_SLOT.c.id).with_for_update()
    with translated():
        return {row.id: row for row in work.session.connection().execute(query)}


def occupied(work: Work, ids: Iterable[int]) -> dict[int, BookingState]:
    """Which of these locked slots have somebody on a place, booked before held. Holds past their time are let go."""
    wanted = list(ids)
    work.session.execute(
        update(Booking)
        .where(Booking.slot_id.in_(wanted), Booking.state == BookingState.HELD, Booking.held_until <= work.now)
        .values(state=BookingState.EXPIRED, released_at=work.now)
        .execution_options(synchronize_session=False)
    )
    found: dict[int, BookingState] = {}
    rows = work.session.execute(
        select(Booking.slot_id, Booking.state).where(Booking.slot_id.in_(wanted), occupying(work.now))
    )
    for slot_id, state in rows:
        if found.get(slot_id, BookingState.HELD) is BookingState.HELD:
            found[slot_id] = state
    return found


def withdraw(work: Work, publication_id: int, ids: Iterable[int]) -> list[Outcome]:
    """Take slots off: the booked ones are CLOSED and their appointments stand, all others are WITHDRAWN.

    Whoever one of them was only kept for is told, and a plan for them is asked for.
    """
    wanted = sorted(ids)
    done: list[Outcome] = []
    to_offer_again: set[int] = set()
    for first in range(0, len(wanted), SET_SIZE):
        rows = lock_slots(work, wanted[first : first + SET_SIZE])
        live = {key: row for key, row in rows.items() if row.status is SlotStatus.PUBLISHED}
        taken = occupied(work, live)
        booked = {key for key, state in taken.items() if state is not BookingState.HELD}
        to_offer_again |= {hold.referral_id for hold in end_holds(work, sorted(live))}
        _set_status(work, publication_id, [key for key in live if key in booked], SlotStatus.CLOSED)
        _set_status(work, publication_id, [key for key in live if key not in booked], SlotStatus.WITHDRAWN)
        for key, row in rows.items():
            off = key not in live
            name = row.provider_slot_id
            done.append(Outcome(name, Result.UNCHANGED) if off else _withdrawn(name, taken.get(key)))
    request_plan(work, to_offer_again, "A time kept for them was withdrawn")
    return done


def _set_status(work: Work, publication_id: int, ids: Sequence[int], status: SlotStatus) -> None:
    if ids:
        work.session.connection().execute(
            update(_SLOT)
            .where(_SLOT.c.id.in_(ids))
            .values(status=status, version=_SLOT.c.version + 1, publication_id=publication_id)
        )


def _withdrawn(name: str, state: BookingState | None) -> Outcome:
    if state is None:
        return Outcome(name, Result.WITHDRAWN)
    if state is BookingState.HELD:
        message = "It was being kept for a patient, who is told and offered another time."
        return Outcome(name, Result.WITHDRAWN, "SLOT_WAS_HELD", message)
    message = "Closed, not withdrawn: it is booked, and the appointment stands until it is cancelled."
    return Outcome(name, Result.WITHDRAWN, "SLOT_IS_BOOKED", message)
