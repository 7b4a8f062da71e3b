"""Sessions: "Tuesdays 09:00 to 12:30, 15 minutes, except these dates" turned into slot times.

A session is written on the clock on the wall, a slot is an instant. Expansion goes from one to the other on
the day itself, so that a clinic at 09:00 is at 09:00 in summer and in winter. What can't be a time on a day
when the clocks change is reported, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from booking.domain.errors import FieldError, Invalid
from booking.domain.slot import FIRST_YEAR, LAST_YEAR
from booking.domain.times import to_instant

LONGEST_RANGE_DAYS = 731
LONGEST_SESSION_ID = 60
"""Leaves room for ``/20260303T0900`` within the 80 characters of a provider's slot identifier."""
MOST_SLOT_MINUTES = 24 * 60
WHOLE_MINUTES = "Times of a session are whole minutes on the clock of the site, without an offset."


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Days without the session, or, with both times, the part of those days that is left out.

    ``last_date`` counts; None is the same as ``first_date``.
    """

    first_date: date
    last_date: date | None = None
    starts: time | None = None
    ends: time | None = None

    def covers(self, day: date) -> bool:
        return self.first_date <= day <= (self.last_date or self.first_date)


@dataclass(frozen=True, slots=True)
class Session:
    """Slots of ``minutes`` from ``starts`` to ``ends`` on the clock, on ``weekdays`` of a range of dates.

    Slots that don't fit whole before the end, or before the break, are not made; after the break the slots
    start afresh. ``utc_offset`` is for sessions in the hour that comes twice: which of the two is meant.
    """

    identifier: str
    first_date: date
    last_date: date
    weekdays: frozenset[int]
    """Monday is 0, as in :meth:`datetime.date.weekday`."""
    starts: time
    ends: time
    minutes: int
    break_starts: time | None = None
    break_ends: time | None = None
    exceptions: tuple[LeftOut, ...] = ()
    utc_offset: timedelta | None = None


@dataclass(frozen=True, slots=True)
class SlotTime:
    """One slot of a session. Derived from session, date and time alone: expanding again names it the same."""

    provider_slot_id: str
    starts_at: datetime
    ends_at: datetime
    local_date: date


@dataclass(frozen=True, slots=True)
class Expansion:
    slots: tuple[SlotTime, ...]
    problems: tuple[FieldError, ...]


def check(session: Session, *, field: str = "") -> list[FieldError]:
    """What is wrong with the session as written; empty where nothing is. Paths start with ``field``."""
    faults = [*_date_faults(session), *_time_faults(session)]
    for n, gap in enumerate(session.exceptions):
        faults += _gap_faults(gap, f"exceptions.{n}")
    at = f"{field}." if field else ""
    return [FieldError(f"{at}{name}", code, message) for name, code, message in faults]


Fault = tuple[str, str, str]


def _date_faults(session: Session) -> Iterator[Fault]:
    if not 1 <= len(session.identifier) <= LONGEST_SESSION_ID:
        yield "id", "SESSION_ID", f"A session's identifier has 1 to {LONGEST_SESSION_ID} characters."
    if session.first_date.year < FIRST_YEAR or session.last_date.year > LAST_YEAR:
        yield "first_date", "YEAR", f"The years of a session are between {FIRST_YEAR} and {LAST_YEAR}."
    if session.last_date < session.first_date:
        yield "last_date", "DATES_REVERSED", "The last date is before the first."
    elif (session.last_date - session.first_date).days >= LONGEST_RANGE_DAYS:
        yield "last_date", "RANGE_TOO_LONG", f"A session runs for at most {LONGEST_RANGE_DAYS} days."
    if not session.weekdays or not session.weekdays <= set(range(7)):
        yield "weekdays", "WEEKDAYS", "Name at least one day of the week."


def _time_faults(session: Session) -> Iterator[Fault]:
    if not 1 <= session.minutes <= MOST_SLOT_MINUTES:
        yield "slot_minutes", "SLOT_MINUTES", f"A slot has 1 to {MOST_SLOT_MINUTES} minutes."
    times = (
        ("starts", session.starts),
        ("ends", session.ends),
        ("break.starts", session.break_starts),
        ("break.ends", session.break_ends),
    )
    uneven = [name for name, moment in times if moment is not None and not _whole_minute(moment)]
    for name in uneven:
        yield name, "TIME", WHOLE_MINUTES
    if uneven:
        return
    if session.ends <= session.starts:
        yield "ends", "ENDS_BEFORE_START", "The session ends before it starts. One that crosses midnight is two."
    if (session.break_starts is None) != (session.break_ends is None):
        yield "break", "BREAK", "A break has a start and an end."
    elif session.break_starts and session.break_ends and session.break_ends <= session.break_starts:
        yield "break.ends", "ENDS_BEFORE_START", "The break ends before it starts."


def _gap_faults(gap: LeftOut, at: str) -> Iterator[Fault]:
    if gap.last_date is not None and gap.last_date < gap.first_date:
        yield f"{at}.last_date", "DATES_REVERSED", "The last date is before the first."
    if gap.starts is None and gap.ends is None:
        return
    if gap.starts is None or gap.ends is None:
        yield at, "EXCEPTION_TIMES", "An exception has both times, or neither for the whole day."
    elif not (_whole_minute(gap.starts) and _whole_minute(gap.ends)):
        yield f"{at}.starts", "TIME", WHOLE_MINUTES
    elif gap.ends <= gap.starts:
        yield f"{at}.ends", "ENDS_BEFORE_START", "The exception ends before it starts."


def _whole_minute(moment: time) -> bool:
    return not (moment.second or moment.microsecond or moment.tzinfo)


def expand(session: Session, tz: ZoneInfo, *, field: str = "") -> Expansion:
    """The session's slots in order of time, and what could not become one, each naming its local time.

    Raises :class:`Invalid` where the session itself is wrong (:func:`check`).
    """
    faults = check(session, field=field)
    if faults:
        raise Invalid(*faults)
    slots: list[SlotTime] = []
    problems: list[FieldError] = []
    for day in _days(session):
        for wall in _starts(session, day):
            made = _slot(session, wall, tz, field)
            if isinstance(made, SlotTime):
                slots.append(made)
            else:
                problems.extend(made)
    return Expansion(tuple(slots), tuple(problems))


def most_slots(session: Session) -> int:
    """At most so many slots come of the session, reckoned without making one; 0 where it is wrong."""
    if check(session):
        return 0
    day = session.first_date
    parts = [datetime.combine(day, last) - datetime.combine(day, first) for first, last in _parts(session)]
    in_a_day = sum(max(part, timedelta()) // timedelta(minutes=session.minutes) for part in parts)
    return in_a_day * sum(1 for _ in _days(session))


def _days(session: Session) -> Iterator[date]:
    """The days with the session: those left out whole are none."""
    day = session.first_date
    away = [gap for gap in session.exceptions if gap.starts is None or gap.ends is None]
    while day <= session.last_date:
        if day.weekday() in session.weekdays and not any(gap.covers(day) for gap in away):
            yield day
        day += timedelta(days=1)


def _starts(session: Session, day: date) -> Iterator[datetime]:
    """Starts on the wall clock of one day, exceptions left out."""
    length = timedelta(minutes=session.minutes)
    gaps = [gap for gap in session.exceptions if gap.covers(day)]
    for first, last in _parts(session):
        wall, end = datetime.combine(day, first), datetime.combine(day, last)
        while wall + length <= end:
            if not any(_overlaps(gap, wall, wall + length) for gap in gaps):
                yield wall
            wall += length


def _parts(session: Session) -> list[tuple[time, time]]:
    """Before the break and after it."""
    if session.break_starts is None or session.break_ends is None:
        return [(session.starts, session.ends)]
    before = (session.starts, min(session.ends, session.break_starts))
    after = (max(session.starts, session.break_ends), session.ends)
    return [before, after]


def _overlaps(gap: LeftOut, start: datetime, end: datetime) -> bool:
    if gap.starts is None or gap.ends is None:
        return True
    day = start.date()
    return start < datetime.combine(day, gap.ends) and end > datetime.combine(day, gap.starts)


def _slot(session: Session, wall: datetime, tz: ZoneInfo, field: str) -> SlotTime | tuple[FieldError, ...]:
    try:
        starts_at = _instant(session, wall, tz, field)
    except Invalid as error:
        return error.errors
    ends_at = starts_at + timedelta(minutes=session.minutes)
    last_moment = (ends_at - timedelta(microseconds=1)).astimezone(tz)
    if last_moment.utcoffset() != starts_at.astimezone(tz).utcoffset():
        # Its end on the wall is not its end in time, and the next slot would overlap or leave a hole.
        message = f"The clocks change during the slot at {wall:%Y-%m-%d %H:%M}."
        return (FieldError(field or "session", "CLOCKS_CHANGE_DURING_SLOT", message),)
    name = f"{session.identifier}/{wall:%Y%m%dT%H%M}"
    return SlotTime(name, starts_at, ends_at, wall.date())


def _instant(session: Session, wall: datetime, tz: ZoneInfo, field: str) -> datetime:
    try:
        return to_instant(wall, tz, field=field or "session")
    except Invalid as error:
        if session.utc_offset is None or error.errors[0].code != "TIME_EXISTS_TWICE":
            raise
    chosen = wall.replace(tzinfo=timezone(session.utc_offset))
    if chosen.astimezone(UTC).astimezone(tz).replace(tzinfo=None) != wall:
        raise Invalid.field(
            field or "session", "OFFSET_WRONG", f"{chosen.isoformat()} has an offset that {tz.key} does not have then."
        )
    return chosen.astimezone(UTC)
