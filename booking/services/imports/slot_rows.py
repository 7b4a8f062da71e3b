"""The rows of a file of slots, parsed. Pure: which services and clinicians there are is handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from booking.domain.errors import Invalid
from booking.domain.slot import ALL_PRIORITIES, LONGEST_SLOT_ID, MOST_PLACES, PublishedSlot, instant, time_faults
from booking.domain.words import ConsultationMode
from booking.services.imports.cells import (
    RowFault,
    read_date,
    read_mode,
    read_offset,
    read_priorities,
    read_time,
    read_whole,
)
from booking.services.imports.reading import BadCell, TableFile, TableRow
from booking.services.imports.report import REASON
from booking.services.slot_writing import AtService, Item

P = ParamSpec("P")
T = TypeVar("T")

REQUIRED = ("slot_id", "date", "start")
OPTIONAL = frozenset(
    {
        "provider", "service", "end", "minutes", "practitioner", "appointment_type", "mode", "priorities", "capacity",
        "utc_offset", REASON,
    }
)  # fmt: skip
"""``reason`` is there in a file of bad rows, and is not looked at when that comes back."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the rows may name. Read from the directory once."""

    services: Mapping[tuple[str, str], AtService]
    """By the provider's ODS code and the service's name in lower case."""
    by_name: Mapping[str, list[AtService]]
    practitioners: Mapping[tuple[int, str], int]
    """By the provider's key and professional identifier."""


@lru_cache(maxsize=65536)
def _local(moment: datetime, tz: ZoneInfo, column: str) -> datetime:
    return instant(moment, tz, field=column)


def _at(moment: datetime, tz: ZoneInfo, column: str, offset: timezone | None) -> datetime:
    """The instant of a cell. The offset is for the start, and for an end that would exist twice without it."""
    try:
        if offset is not None and column == "start":
            return instant(moment.replace(tzinfo=offset), tz, field=column)
        return _local(moment, tz, column)
    except Invalid as error:
        if offset is None or error.errors[0].code != "TIME_EXISTS_TWICE":
            raise RowFault(column, error.message) from None
    try:
        return instant(moment.replace(tzinfo=offset), tz, field=column)
    except Invalid as error:
        raise RowFault(column, error.message) from None


class SlotParser:
    """Turns rows into items; every fault of a row is named, not just the first."""

    def __init__(self, table: TableFile, catalogue: Catalogue, service: AtService | None = None) -> None:
        self._table = table
        self._catalogue = catalogue
        self._service = service
        self._index = table.index
        self._faults: list[RowFault] = []
        self._cells: Sequence[str] = ()

    def parse(self, row: TableRow) -> Item | list[BadCell]:
        self._faults = []
        self._cells = row.cells
        service = self._service or self._try(self._find_service)
        name = self._text("slot_id", LONGEST_SLOT_ID)
        if not name:
            self._faults.append(RowFault("slot_id", "must not be empty"))
        times = self._times(service)
        practitioner_id = self._try(self._find_practitioner, service)
        kind = self._text("appointment_type", 80) or "New appointment"
        mode = self._optional("mode", read_mode) or ConsultationMode.IN_PERSON
        priorities = self._optional("priorities", read_priorities) or ALL_PRIORITIES
        places = self._try(read_whole, self._cell("capacity") or "1", "capacity", 1, MOST_PLACES) or 1
        if self._faults or service is None or times is None:
            return [self._table.bad(row, fault.column, fault.reason) for fault in self._faults]
        return Item(row, service, PublishedSlot(name, *times, practitioner_id, kind, mode, priorities, places))

    def _cell(self, column: str) -> str:
        at = self._index.get(column)
        return "" if at is None else self._cells[at]

    def _try(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return read(*args, **kwargs)
        except RowFault as fault:
            self._faults.append(fault)
            return None

    def _optional(self, column: str, read: Callable[[str], T]) -> T | None:
        text = self._cell(column)
        return self._try(read, text) if text else None

    def _text(self, column: str, longest: int) -> str:
        text = self._cell(column)
        if len(text) > longest:
            self._faults.append(RowFault(column, f"longer than {longest} characters"))
        elif not text.isprintable():
            self._faults.append(RowFault(column, "holds characters that are not text"))
        return text

    def _find_service(self) -> AtService:
        provider, name = self._cell("provider").upper(), self._cell("service").lower()
        if not name:
            raise RowFault("service", "must not be empty")
        if provider:
            found = self._catalogue.services.get((provider, name))
            if found is None:
                raise RowFault("service", f"provider {provider} has no service of this name")
            return found
        named = self._catalogue.by_name.get(name, [])
        if len(named) != 1:
            raise RowFault("service", "several providers have it: name the provider" if named else "no such service")
        return named[0]

    def _find_practitioner(self, service: AtService | None) -> int | None:
        name = self._cell("practitioner")
        if service is None or not name:
            return None
        known = self._catalogue.practitioners
        found = known.get((service.organisation_id, name)) or known.get((service.organisation_id, name.upper()))
        if found is None:
            raise RowFault("practitioner", "not a clinician of this provider")
        return found

    def _times(self, service: AtService | None) -> tuple[datetime, datetime] | None:
        day = self._try(read_date, self._cell("date"))
        start = self._try(read_time, self._cell("start"), "start")
        offset = self._optional("utc_offset", read_offset)
        end, minutes = self._cell("end"), self._cell("minutes")
        if bool(end) == bool(minutes):
            self._faults.append(RowFault("end", "give either the end or the minutes"))
            return None
        ends = self._try(read_time, end, "end") if end else None
        length = self._try(read_whole, minutes, "minutes", 1, 1440) if minutes else None
        if day is None or start is None or service is None or (ends is None and length is None):
            return None
        return self._try(self._span, day, start, ends, length, service.zone, offset)

    def _span(
        self, day: date, start: time, ends: time | None, minutes: int | None, tz: ZoneInfo, offset: timezone | None
    ) -> tuple[datetime, datetime]:
        starts_at = _at(datetime.combine(day, start), tz, "start", offset)
        if ends is None:
            return starts_at, starts_at + timedelta(minutes=minutes or 0)
        ends_at = _at(datetime.combine(day, ends), tz, "end", offset)
        for fault in time_faults(starts_at, ends_at, field="end"):
            raise RowFault("end", fault.message)
        return starts_at, ends_at
