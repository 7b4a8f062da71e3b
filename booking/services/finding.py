"""Free times as a patient looks for them: narrowed by what suits, counted by week and clinic, and what is in the way.

The soonest free times are read as plain rows, page after page until enough of them suit, and everything is told from
these; where that ends before the free times do, what was found says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from booking.domain.geo import distance_km, miles
from booking.domain.needs import week_part
from booking.domain.words import ConsultationMode, Sex
from booking.models import Referral, Slot
from booking.services.slots import FreeTime, SlotSearch, free_slots, free_times
from booking.services.so_far import so_far
from booking.services.work import Work

MOST = 1000
"""Free times read at once: those of some weeks, for most shortlists all there are."""
PAGES = 3
"""Read after one another at most, where few of the soonest suit."""
ENOUGH = 100
"""Times that suit, with which reading on ends: some pages of them."""
ALL = MOST * PAGES
"""For ``enough``: read on, as far as is ever read."""


Home = tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What suits. Everything empty takes every free time."""

    service_id: int | None = None
    weekdays: frozenset[int] = frozenset()
    """Monday is 0; empty takes any."""
    parts: frozenset[int] = frozenset()
    """0 morning, 1 afternoon, 2 evening; empty takes any."""
    step_free: bool = False
    within_miles: float | None = None
    clinician: Sex | None = None
    mode: ConsultationMode | None = None
    never: int = 0
    """Bits of the week parts that never suit (:mod:`booking.domain.needs`)."""
    first: date | None = None
    """The days to look at: nothing before, and nothing after ``last``."""
    last: date | None = None


@dataclass(slots=True)
class Found:
    times: list[FreeTime] = field(default_factory=list)
    """Those that suit, the soonest first."""
    read: int = 0
    """Free times looked at."""
    all: int = 0
    """Of these, all that do not clash, suiting or not."""
    clashing: int = 0
    """Free times at which the patient has another appointment: nobody can be in two places."""
    never: int = 0
    """Times that would suit but for the hour of the week."""
    without: Counter[str] = field(default_factory=Counter)
    """How many more there would be without one of the wishes."""
    weeks: Counter[date] = field(default_factory=Counter)
    """Times that suit by the Monday of their week."""
    parts: Counter[tuple[date, int]] = field(default_factory=Counter)
    """Times that suit by day and part of the day."""
    places: Counter[int] = field(default_factory=Counter)
    """Free times by clinic, whatever suits."""
    read_to: date | None = None
    """There may be more that suit, from this day on; None where all were found."""
    partly: bool = False
    """Not every free time was looked at: what counts others than those that suit is of the soonest."""


def find(work: Work, referral: Referral, wanted: Wanted, *, but: int | None = None, enough: int = ENOUGH) -> Found:
    """The free times of a referral's shortlist, narrowed.

    ``but`` is a slot to leave out: the present appointment's own, where another of its places is free. ``enough`` is
    how many that suit end the reading.
    """
    found = Found()
    search = SlotSearch(first_date=wanted.first, last_date=wanted.last, limit=MOST)
    busy, home = so_far(work, referral).booked_elsewhere(), _home(referral)
    for _ in range(PAGES):
        rows = free_times(work, referral, search)
        found.read += len(rows)
        for row in rows:
            if row.id != but:
                _count(found, row, wanted, home, busy)
        found.read_to = rows[-1].local_date if len(rows) == MOST else None
        found.partly = found.partly or found.read_to is not None
        if found.read_to is None or len(found.times) >= enough:
            break
        # Only the clinic asked for from here on: another with more times would fill what is read.
        only = (wanted.service_id,) if wanted.service_id is not None else ()
        search = replace(search, service_ids=only, after=(rows[-1].starts_at, rows[-1].id))
    return found


def _count(found: Found, row: FreeTime, wanted: Wanted, home: Home, busy: Sequence[tuple[datetime, datetime]]) -> None:
    if any(row.starts_at < end and start < row.ends_at for start, end in busy):
        found.clashing += 1
        return
    found.all += 1
    found.places[row.service_id] += 1
    part = week_part(row.starts_at.astimezone(_zone(row.time_zone)))
    against = [name for name, suits in _TESTS.items() if not suits(row, wanted, part, home)]
    if against == ["never"]:
        found.never += 1
    elif len(against) == 1:
        found.without[against[0]] += 1
    elif not against:
        found.times.append(row)
        found.weeks[monday(row.local_date)] += 1
        found.parts[row.local_date, part % 3] += 1


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


_TESTS: Mapping[str, Callable[[FreeTime, Wanted, int, Home], bool]] = {
    "service": lambda row, wanted, _, __: wanted.service_id in (None, row.service_id),
    "day": lambda _, wanted, part, __: not wanted.weekdays or part // 3 in wanted.weekdays,
    "part": lambda _, wanted, part, __: not wanted.parts or part % 3 in wanted.parts,
    "step_free": lambda row, wanted, _, __: not wanted.step_free or row.step_free or _remote(row),
    "miles": lambda row, wanted, _, home: wanted.within_miles is None or _within(row, wanted.within_miles, home),
    "clinician": lambda row, wanted, _, __: wanted.clinician in (None, row.clinician_sex),
    "mode": lambda row, wanted, _, __: wanted.mode in (None, row.mode),
    "never": lambda _, wanted, part, __: not wanted.never >> part & 1,
}


def _remote(row: FreeTime) -> bool:
    """Nobody has to climb steps or travel to it."""
    return row.mode is not ConsultationMode.IN_PERSON


def _within(row: FreeTime, most: float, home: Home) -> bool:
    if _remote(row) or home is None or row.latitude is None or row.longitude is None:
        return True
    return _miles(home, (row.latitude, row.longitude)) <= most


@lru_cache(maxsize=1024)
def _miles(home: tuple[float, float], there: tuple[float, float]) -> float:
    return miles(distance_km(*home, *there))


_zone = lru_cache(maxsize=64)(ZoneInfo)


def _home(referral: Referral) -> Home:
    patient = referral.patient
    if patient.latitude is None or patient.longitude is None:
        return None
    return patient.latitude, patient.longitude


def page(found: Found, *, after: tuple[datetime, int] | None, size: int) -> tuple[list[FreeTime], bool]:
    """The next ``size`` of the times that suit, and whether there are more."""
    rest = [row for row in found.times if after is None or (row.starts_at, row.id) > after]
    return rest[:size], len(rest) > size


def slots(work: Work, referral: Referral, ids: Iterable[int]) -> list[Slot]:
    """Those of these slots that are free for the referral, with all that is shown of them."""
    wanted = tuple(ids)
    return free_slots(work, referral, SlotSearch(slot_ids=wanted, limit=len(wanted))) if wanted else []
