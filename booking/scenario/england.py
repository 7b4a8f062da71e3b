"""Standard scenario 1: referrals, services and slots of England as arrays, from public counts and a seed.

The rules stand in the data set's README and are followed to the letter; where it leaves a choice, it is made here:

- Slots a week of a commissioner and treatment function are rounded to the nearest whole number before they are
  shared out; equal remainders go to the nearer site.
- Weeks are counted from the plan's day. A week's slots are spread over those of its days that are Monday to Friday
  and no bank holiday, remainders on evenly spaced days; those of the plan's day itself are not made, since nobody
  may have them. On a day they are spread over 09:00 to 17:00; more than 24 a day are places of the same times.
- Each commissioner and treatment function has a random stream of its own, so that a person is the same whatever
  other commissioners are in the run.

Everything is numpy and knows no database: the loader and benchmarks both start from here.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from govuk_bank_holidays.bank_holidays import BankHolidays

from booking.domain.geo import EARTH_RADIUS_KM
from booking.scenario.data import F64, Data, Places, Waiting
from optimiser import Policy, Problem, Referrals, Shortlists, Slots
from optimiser.arrays import I64, indptr_of, ranges, take_rows
from optimiser.jit import kernel

STANDARD_DAY = date(2015, 4, 1)
STANDARD_SEED = 2015
WEEKS = 13
NHS_SITES, INDEPENDENT_SITES = 5, 2
NHS_WEIGHT, INDEPENDENT_WEIGHT = 4, 1
SHORTLIST, SHORTLIST_KM, SHORTLIST_LEAST = 10, 50.0, 3
HOMES_AT_ONCE = 500
"""Practices whose distances to all sites are held together."""
STAND_IN_PRACTICES = 15
BOOKING_WINDOW_DAYS = 182
TIMES_A_DAY = 24
SLOT_MINUTES = 20
OPENS = time(9)
LONDON = ZoneInfo("Europe/London")
TARGET_DAYS = (126, 42, 14)


@dataclass(frozen=True, slots=True, eq=False)
class England:
    """The scenario. Sites and practices are positions in the data set's files; keys count from 1 in this order.

    ``lists`` are nearest first; ``lists.of(list_of)`` are those of the referrals.
    """

    as_of: date
    functions: list[str]
    service_site: I64
    service_function: I64
    service_weekly: I64
    slot_service: I64
    slot_day: I64
    slot_time: I64
    """0 is 09:00, each step 20 minutes."""
    slot_places: I64
    practice: I64
    function: I64
    waited: I64
    priority: I64
    list_of: I64
    """Row of ``lists`` of each referral: people of one practice and treatment function have the same shortlist."""
    lists: Lists

    def __len__(self) -> int:
        return len(self.practice)


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """Shortlists as CSR rows."""

    indptr: I64
    service: I64
    km: F64

    def of(self, rows: I64) -> Lists:
        """The rows chosen, in the order given."""
        indptr, at = take_rows(self.indptr, rows)
        return Lists(indptr, self.service[at], self.km[at])


def build(data: Data, *, as_of: date = STANDARD_DAY, seed: int = STANDARD_SEED) -> England:
    """The scenario on the day given; any other day than the standard one shifts holidays and all dates with it."""
    functions = sorted(data.names())
    site, function, weekly = _services(data, functions)
    slots = _slots(weekly, as_of)
    practice, which, waited, priority = _people(data, functions, seed)
    list_of, lists = _shortlists(data, practice, which, site, function, len(functions))
    return England(
        as_of, functions, site, function, weekly, *slots, practice, which, waited, priority, list_of, lists
    )  # fmt: skip


def distances(lat: float, lon: float, places: Places) -> F64:
    """Great-circle km from a point to each place (haversine)."""
    return haversine(np.float64(lat), np.float64(lon), places.latitude, places.longitude)


def haversine(lat1: F64 | np.float64, lon1: F64 | np.float64, lat2: F64, lon2: F64) -> F64:
    """Great-circle km between WGS 84 points in degrees, broadcast."""
    a1, o1, a2, o2 = (np.radians(value) for value in (lat1, lon1, lat2, lon2))
    a = np.sin((a2 - a1) / 2) ** 2 + np.cos(a1) * np.cos(a2) * np.sin((o2 - o1) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(1.0, np.sqrt(a))))


def shares(total: int, weights: list[int]) -> list[int]:
    """Whole numbers that add up to ``total`` in proportion to the weights: largest remainders first."""
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    floors = [total * weight // whole for weight in weights]
    left = total - sum(floors)
    order = sorted(range(len(weights)), key=lambda at: (-(total * weights[at] % whole), at))
    for at in order[:left]:
        floors[at] += 1
    return floors


def _services(data: Data, functions: list[str]) -> tuple[I64, I64, I64]:
    """Site, treatment function and slots a week of each service, by function and site."""
    nhs = np.array([sector == "NHS" for sector in data.sites.more["sector"]], np.bool_)
    at = {code: position for position, code in enumerate(data.commissioners.code)}
    weekly: dict[tuple[int, int], int] = {}
    nearest: dict[str, list[tuple[int, int]]] = {}
    for (commissioner, function), month in sorted(data.completed.items()):
        if function not in functions:
            continue
        if commissioner not in nearest:
            here = at[commissioner]
            far = distances(data.commissioners.latitude[here], data.commissioners.longitude[here], data.sites)
            order = np.argsort(far, kind="stable")
            chosen = [(int(s), NHS_WEIGHT) for s in order[nhs[order]][:NHS_SITES]]
            chosen += [(int(s), INDEPENDENT_WEIGHT) for s in order[~nhs[order]][:INDEPENDENT_SITES]]
            nearest[commissioner] = sorted(chosen, key=lambda one: far[one[0]])
        sites = nearest[commissioner]
        total = (month * 7 * 2 + 31) // 62  # month * 7 / 31 to the nearest whole number
        for (site, _), slots in zip(sites, shares(total, [weight for _, weight in sites]), strict=True):
            key = (functions.index(function), site)
            weekly[key] = weekly.get(key, 0) + slots
    kept = sorted(key for key, slots in weekly.items() if slots >= 1)
    columns = np.array([(site, function, weekly[function, site]) for function, site in kept], np.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2]


def working_days(as_of: date) -> list[list[int]]:
    """For each of the 13 weeks its days (0 is ``as_of``) that are no weekend and no bank holiday of England."""
    calendar = BankHolidays(use_cached_holidays=True).get_holidays(BankHolidays.ENGLAND_AND_WALES)
    holidays = {holiday["date"] for holiday in calendar}
    weeks: list[list[int]] = [[] for _ in range(WEEKS)]
    for day in range(WEEKS * 7):
        when = as_of + timedelta(days=day)
        if when.weekday() < 5 and when not in holidays:
            weeks[day // 7].append(day)
    return weeks


def _slots(weekly: I64, as_of: date) -> tuple[I64, I64, I64, I64]:
    """Service, day, time of day and places of each slot, by service, day and time."""
    days: list[int] = []
    counts = []
    for week in working_days(as_of):
        if week:
            edge = weekly[:, None] * np.arange(len(week) + 1)[None, :] // len(week)
            counts.append(np.diff(edge, axis=1))
            days += week
    on_day = np.concatenate(counts, axis=1)
    on_day[:, [at for at, day in enumerate(days) if day == 0]] = 0
    service, at = np.nonzero(on_day)
    count, day = on_day[service, at], np.array(days, np.int64)[at]
    times = np.minimum(count, TIMES_A_DAY)
    owner = np.repeat(np.arange(len(count)), times)
    turn = ranges(np.zeros(len(times), np.int64), times)
    places = count[owner] // times[owner] + (turn < count[owner] % times[owner])
    step = turn * TIMES_A_DAY // times[owner]
    return service[owner].astype(np.int64), day[owner], step.astype(np.int64), places.astype(np.int64)


def _people(data: Data, functions: list[str], seed: int) -> tuple[I64, I64, I64, I64]:
    """Practice, treatment function, days waited and priority of each person, by commissioner and function."""
    by_commissioner: dict[str, list[int]] = {}
    for position, code in enumerate(data.practices.more["commissioner"]):
        by_commissioner.setdefault(code, []).append(position)
    parts = [
        _list(row, functions.index(row.function), _practices(data, by_commissioner, row.commissioner), seed)
        for row in sorted(data.waiting, key=lambda row: (row.commissioner, row.function))
    ]
    if not parts:
        return (*(np.zeros(0, np.int64) for _ in range(4)),)  # type: ignore[return-value]
    practice, function, waited, priority = (np.concatenate(column) for column in zip(*parts, strict=True))
    return practice, function, waited, priority


def _practices(data: Data, by_commissioner: dict[str, list[int]], commissioner: str) -> I64:
    """The commissioner's practices; the nearest ones to it where the file gives it none."""
    if commissioner not in by_commissioner:
        at = data.commissioners.code.index(commissioner)
        far = distances(data.commissioners.latitude[at], data.commissioners.longitude[at], data.practices)
        by_commissioner[commissioner] = np.argsort(far, kind="stable")[:STAND_IN_PRACTICES].tolist()
    return np.array(by_commissioner[commissioner], np.int64)


def _list(row: Waiting, function: int, practices: I64, seed: int) -> tuple[I64, I64, I64, I64]:
    rng = np.random.default_rng([seed, zlib.crc32(row.commissioner.encode()), zlib.crc32(row.function.encode())])
    band = np.repeat(np.arange(len(row.bands)), row.bands)
    within = rng.integers(0, np.where(band == 52, 57, 7))  # 52 weeks and more: 52 to 60
    waited = band * 7 + within
    practice = practices[rng.integers(0, len(practices), len(band))]
    draw = rng.random(len(band))
    recent, urgent = waited < 14, (waited >= 14) & (waited < 42)
    priority = np.where(recent & (draw < 0.12), 2, np.where(recent & (draw < 0.27), 1, 0))
    priority = np.where(urgent & (draw < 0.10), 1, priority)
    return practice, np.full(len(band), function, np.int64), waited.astype(np.int64), priority.astype(np.int64)


def _shortlists(
    data: Data, practice: I64, which: I64, site: I64, function: I64, functions: int
) -> tuple[I64, Lists]:  # fmt: skip
    """The nearest services of the treatment function of each person, who lives where the practice is.

    Each practice's sites are put in order of distance once; a shortlist is the first of them that have the function.
    """
    pair = practice * functions + which
    known = np.zeros(len(data.practices) * functions, np.bool_)
    known[pair] = True
    pairs = np.flatnonzero(known)
    number = np.cumsum(known) - 1
    service = np.full((functions, len(data.sites)), -1, np.int64)
    service[function, site] = np.arange(len(site))
    homes, home = np.unique(pairs // functions, return_inverse=True)
    listed, km = np.empty((len(pairs), SHORTLIST), np.int64), np.empty((len(pairs), SHORTLIST))
    size = np.zeros(len(pairs), np.int64)
    for first in range(0, len(homes), HOMES_AT_ONCE):
        some = homes[first : first + HOMES_AT_ONCE]
        far = haversine(
            data.practices.latitude[some][:, None], data.practices.longitude[some][:, None],
            data.sites.latitude[None, :], data.sites.longitude[None, :],
        )  # fmt: skip
        mine = slice(*np.searchsorted(home, (first, first + len(some))))
        _nearest(
            np.argsort(far, axis=1, kind="stable"), far, home[mine] - first, pairs[mine] % functions, service,
            SHORTLIST_KM, SHORTLIST_LEAST, listed[mine], km[mine], size[mine],
        )  # fmt: skip
    used = np.arange(SHORTLIST)[None, :] < size[:, None]
    return number[pair], Lists(indptr_of(size), listed[used], km[used])


@kernel
def _nearest(
    order: I64, far: F64, home: I64, function: I64, service: I64, limit: float, least: int, listed: I64, km: F64,
    size: I64,
) -> None:  # fmt: skip
    """Fill the shortlist of each home (row of ``order``: sites, nearest first) and function, and how long it is."""
    for at in range(len(home)):
        n = 0
        for site in order[home[at]]:
            if n == listed.shape[1] or (n >= least and far[home[at], site] > limit):
                break
            if service[function[at], site] >= 0:
                listed[at, n], km[at, n] = service[function[at], site], far[home[at], site]
                n += 1
        size[at] = n


def slot_instants(england: England) -> tuple[I64, I64]:
    """Start of each slot in minutes since 1970 (UTC), and its week part; clock changes are the zone's own."""
    opens = np.zeros(WEEKS * 7, np.int64)
    for day in range(WEEKS * 7):
        local = datetime.combine(england.as_of + timedelta(days=day), OPENS, LONDON)
        opens[day] = int(local.astimezone(UTC).timestamp()) // 60
    start = opens[england.slot_day] + england.slot_time * SLOT_MINUTES
    weekday = (england.as_of.weekday() + england.slot_day) % 7
    afternoon = england.slot_time * SLOT_MINUTES >= 180
    return start, weekday * 3 + afternoon


def problem(data: Data, england: England, policy: Policy | None = None) -> Problem:
    """The scenario as the optimiser takes it; slots from the day after the plan's day are eligible by its notice."""
    policy = policy or Policy()
    start, part = slot_instants(england)
    providers = sorted(set(data.sites.more["provider_ods_code"]))
    number = {code: at for at, code in enumerate(providers)}
    provider = np.array([number[code] for code in data.sites.more["provider_ods_code"]], np.int64)[england.service_site]
    service = england.slot_service
    slots = Slots.build(
        key=np.arange(len(service)) + 1, service=service + 1, specialty=england.service_function[service],
        provider=provider[service], day=england.slot_day, part=part, start_minute=start,
        end_minute=start + SLOT_MINUTES, capacity=england.slot_places,
    )  # fmt: skip
    referrals = Referrals.build(
        key=np.arange(len(england)) + 1, specialty=england.function, priority=england.priority,
        waited_days=england.waited, target_days=np.array(TARGET_DAYS)[england.priority],
    )  # fmt: skip
    return Problem(england.as_of, referrals, _canonical_lists(england), slots, policy).canonical()


def _canonical_lists(england: England) -> Shortlists:
    """The shortlists with services ascending, as the optimiser sorts them: put in order before they are copied."""
    lists = england.lists
    row = np.repeat(np.arange(len(lists.indptr) - 1), np.diff(lists.indptr))
    order = np.lexsort((lists.service, row))
    indptr, at = take_rows(lists.indptr, england.list_of)
    return Shortlists(
        indptr, (lists.service + 1)[order][at], lists.km.astype(np.float32)[order][at],
        np.zeros(len(at), np.int32), np.full(len(at), BOOKING_WINDOW_DAYS, np.int32),
    )  # fmt: skip
