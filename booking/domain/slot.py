"""A slot as its provider publishes it, and what may become of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from booking.domain.errors import FieldError, Invalid
from booking.domain.times import to_instant
from booking.domain.words import ConsultationMode

LONGEST_SLOT = timedelta(hours=24)
MOST_PLACES = 500
ALL_PRIORITIES = 7
LONGEST_SLOT_ID = 80
FIRST_YEAR, LAST_YEAR = 2000, 2199
"""A year outside these is a slip of the finger, and near the ends of the calendar zones can't be reckoned."""


class Result(StrEnum):
    """What a publication did with a slot."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    WITHDRAWN = "withdrawn"
    """Free, and taken off; or booked, and closed to anybody else: the outcome's code says which."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class PublishedSlot:
    """One slot as sent, its times already instants. ``provider_slot_id`` names it within its service."""

    provider_slot_id: str
    starts_at: datetime
    ends_at: datetime
    practitioner_id: int | None = None
    appointment_type: str = "New appointment"
    mode: ConsultationMode = ConsultationMode.IN_PERSON
    priorities: int = ALL_PRIORITIES
    """Bits: 1 routine, 2 urgent, 4 two-week-wait."""
    capacity: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one slot; ``code`` and ``message`` say why where that isn't plain."""

    provider_slot_id: str
    result: Result
    code: str | None = None
    message: str | None = None


def instant(moment: datetime, tz: ZoneInfo, *, field: str) -> datetime:
    """:func:`to_instant` for a year that a slot may have; :class:`Invalid` naming ``field`` for any other."""
    check_year(moment.year, field=field)
    return to_instant(moment, tz, field=field)


def check_year(year: int, *, field: str) -> None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise Invalid.field(field, "YEAR", f"The year {year} is not between {FIRST_YEAR} and {LAST_YEAR}.")


def time_faults(starts_at: datetime, ends_at: datetime, *, field: str) -> list[FieldError]:
    """What is wrong with a slot's two instants; ``field`` is the path of its end."""
    if ends_at <= starts_at:
        return [FieldError(field, "ENDS_BEFORE_START", "The slot ends before it starts.")]
    if ends_at - starts_at > LONGEST_SLOT:
        return [FieldError(field, "SLOT_TOO_LONG", "A slot has at most 24 hours.")]
    return []
