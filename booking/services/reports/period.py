"""The periods of reports: whole calendar months that are over, so that no two periods differ by a few days' people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from booking.domain.errors import FieldError, Invalid
from booking.services.work import HOME_ZONE

MOST_MONTHS = 36
FIRST_YEAR = 2000


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), HOME_ZONE)


@dataclass(frozen=True, slots=True)
class Month:
    """``start`` is in it, ``end`` is not: the instants of midnight in the country's zone."""

    name: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Period:
    """From the first of a month to the last of a month, both included."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        return _midnight(self.first)

    @property
    def end(self) -> datetime:
        """The first instant after it."""
        return _midnight(self.last + timedelta(days=1))

    @property
    def months(self) -> list[Month]:
        found, day = [], self.first
        while day <= self.last:
            after = _next_month(day)
            found.append(Month(f"{day:%Y-%m}", _midnight(day), _midnight(after)))
            day = after
        return found


def period(first: date | None, last: date | None, *, today: date) -> Period:
    """The period asked for, or :class:`Invalid` by field; the last month that is over where nothing was given."""
    given = (("from", first), ("to", last))
    if odd := [name for name, day in given if day is not None and not FIRST_YEAR <= day.year <= today.year + 1]:
        raise Invalid(*(FieldError(name, "YEAR", f"Name a year from {FIRST_YEAR} to {today.year}.") for name in odd))
    this_month = today.replace(day=1)
    yesterday = this_month - timedelta(days=1)
    last = last or (yesterday if first is None else _next_month(first) - timedelta(days=1))
    first = first or last.replace(day=1)
    faults: list[FieldError] = []
    if first.day != 1:
        faults.append(FieldError("from", "WHOLE_MONTHS", "A report begins on the first of a month."))
    if _next_month(last) - timedelta(days=1) != last:
        faults.append(FieldError("to", "WHOLE_MONTHS", "A report ends on the last of a month."))
    elif last >= this_month:
        faults.append(FieldError("to", "NOT_OVER", f"The last month that is over ended on {yesterday.isoformat()}."))
    if last < first:
        faults.append(FieldError("to", "BEFORE_FROM", "The end is before the beginning."))
    elif (last.year - first.year) * 12 + last.month - first.month >= MOST_MONTHS:
        faults.append(FieldError("from", "TOO_LONG", f"A report covers at most {MOST_MONTHS} months."))
    if faults:
        raise Invalid(*faults)
    return Period(first, last)
