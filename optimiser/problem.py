"""What the planner is given: referrals, their shortlists, free slots, a forecast and a policy, as arrays.

Days are whole local days from ``as_of``; minutes are minutes since the Unix epoch, UTC. Order never matters:
``Problem.canonical`` sorts by the stable keys, and every plan is stated in those keys.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from datetime import date
from enum import IntEnum
from typing import Any, ClassVar

import numpy as np

from optimiser.arrays import (
    F32,
    I8,
    I32,
    I64,
    U8,
    U32,
    Array,
    indptr_of,
    no_i8,
    no_i32,
    no_i64,
    take_rows,
    within_rows,
)
from optimiser.errors import ProblemError
from optimiser.policy import Policy

WEEK_PARTS = 21  # weekday * 3 + (0 morning, 1 afternoon from 12:00, 2 evening from 17:00), Monday 0, site's local time
NO_LIMIT = 100_000  # a latest day for patients who set none


class Priority(IntEnum):
    """How soon a referral must be seen, in growing order."""

    ROUTINE = 0
    URGENT = 1
    TWO_WEEK_WAIT = 2


@dataclass(frozen=True, slots=True, eq=False)
class Busy:
    """Appointments the patients already have: row i is ``indptr[i]:indptr[i + 1]``; half-open minutes, UTC.

    A half-day at a service is refused to a patient if any of its clinic span overlaps such a time.
    """

    DTYPES: ClassVar[dict[str, Any]] = {"indptr": np.int64, "start_minute": np.int64, "end_minute": np.int64}

    indptr: I64
    start_minute: I64 = field(default_factory=no_i64)
    end_minute: I64 = field(default_factory=no_i64)

    @classmethod
    def none(cls, n: int) -> Busy:
        """No appointments, for ``n`` referrals."""
        return cls(np.zeros(n + 1, np.int64))

    def take(self, rows: Array) -> Busy:
        """Rows chosen and put in the order given, times ascending inside each."""
        indptr, at = take_rows(self.indptr, rows)
        if len(at) == 0:
            return Busy(indptr)
        row = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        at = at[np.lexsort((self.end_minute[at], self.start_minute[at], row))]
        return Busy(indptr, self.start_minute[at], self.end_minute[at])

    def plus(self, row: I64, start: I64, end: I64) -> Busy:
        """Further intervals added to the rows named."""
        n = len(self.indptr) - 1
        rows = np.concatenate((np.repeat(np.arange(n, dtype=np.int64), np.diff(self.indptr)), row))
        starts, ends = np.concatenate((self.start_minute, start)), np.concatenate((self.end_minute, end))
        order = np.lexsort((ends, starts, rows))
        return Busy(indptr_of(np.bincount(rows, minlength=n)), starts[order], ends[order])


@dataclass(frozen=True, slots=True, eq=False)
class Referrals:
    """n referrals, one array for each attribute; see ``build`` for the ones that may be left out."""

    DTYPES: ClassVar[dict[str, Any]] = {
        "key": np.int64, "patient": np.int64, "specialty": np.int32, "priority": np.int8,
        "waited_days": np.int32, "target_days": np.int32, "needs": np.uint32, "unsuitable": np.uint32,
        "practitioner": np.int64, "earliest_day": np.int32, "latest_day": np.int32, "previous_slot": np.int64,
    }  # fmt: skip

    key: I64  # stable and unique
    patient: I64
    specialty: I32  # treatment function, as an id of the caller's
    priority: I8
    waited_days: I32  # since clock start, on the plan's day
    target_days: I32  # from clock start; due on day target_days - waited_days
    needs: U32  # bits that a slot must offer
    unsuitable: U32  # bits over WEEK_PARTS that never suit
    practitioner: I64  # named clinician, or -1
    earliest_day: I32
    latest_day: I32
    previous_slot: I64  # key of the slot held or offered before, or -1
    busy: Busy

    def __len__(self) -> int:
        return len(self.key)

    @classmethod
    def build(cls, *, busy: Busy | None = None, policy: Policy | None = None, **columns: Any) -> Referrals:
        """Cast columns to the right types; all but key, specialty, priority and waited_days may be left out."""
        key = np.asarray(columns["key"], np.int64)
        n = len(key)
        targets = np.asarray((policy or Policy()).target_days, np.int32)
        defaults: dict[str, Any] = {
            "patient": key, "target_days": targets[np.clip(np.asarray(columns["priority"], np.int64), 0, 2)],
            "needs": 0, "unsuitable": 0, "practitioner": -1, "earliest_day": 0, "latest_day": NO_LIMIT,
            "previous_slot": -1,
        }  # fmt: skip
        return cls(busy=busy or Busy.none(n), **_cast(cls, {**defaults, **columns}, n))

    def take(self, rows: Array) -> Referrals:
        """Rows chosen and put in the order given."""
        return Referrals(busy=self.busy.take(rows), **{n: getattr(self, n)[rows] for n in self.DTYPES})


@dataclass(frozen=True, slots=True, eq=False)
class Shortlists:
    """Services each referral may use (already filtered by every rule that needs no slot): CSR rows of referrals."""

    DTYPES: ClassVar[dict[str, Any]] = {
        "indptr": np.int64, "service": np.int64, "distance_km": np.float32, "first_day": np.int32,
        "last_day": np.int32,
    }  # fmt: skip

    indptr: I64
    service: I64
    distance_km: F32  # not a number if unknown
    first_day: I32  # booking window of the service for this priority
    last_day: I32

    def take(self, rows: Array) -> Shortlists:
        """Rows chosen and put in the order given, services ascending inside each."""
        indptr, at = take_rows(self.indptr, rows)
        service = self.service[at]
        if bool(within_rows(service[1:] < service[:-1], indptr).any()):
            row = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
            at = at[np.lexsort((self.service[at], row))]
        return Shortlists(indptr, self.service[at], self.distance_km[at], self.first_day[at], self.last_day[at])


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """m slots with free places."""

    DTYPES: ClassVar[dict[str, Any]] = {
        "key": np.int64, "service": np.int64, "specialty": np.int32, "provider": np.int64, "day": np.int32,
        "part": np.int8, "start_minute": np.int64, "end_minute": np.int64, "capacity": np.int32,
        "offers": np.uint32, "priorities": np.uint8, "practitioner": np.int64,
    }  # fmt: skip

    key: I64
    service: I64
    specialty: I32
    provider: I64
    day: I32
    part: I8  # of the week, see WEEK_PARTS
    start_minute: I64
    end_minute: I64
    capacity: I32  # free places
    offers: U32
    priorities: U8  # bits 1 << Priority
    practitioner: I64  # or -1

    def __len__(self) -> int:
        return len(self.key)

    @classmethod
    def build(cls, **columns: Any) -> Slots:
        """Cast columns to the right types; capacity, offers, priorities, practitioner may be left out."""
        defaults: dict[str, Any] = {"capacity": 1, "offers": 0, "priorities": 7, "practitioner": -1}
        return cls(**_cast(cls, {**defaults, **columns}, len(columns["key"])))

    def take(self, rows: Array) -> Slots:
        """Rows chosen and put in the order given."""
        return Slots(**{n: getattr(self, n)[rows] for n in self.DTYPES})


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Arrivals forecast: ``count`` referrals of a priority that will reach a service on ``arrival_day``.

    Each may use that service's slots from the day after it arrives to the horizon, and costs what a referral of no
    wait on that day would. They compete for places like anybody else (so the plan stays a flow), but get no offer;
    the places they take are reserved. Nothing is left of them once ``arrival_day`` is the plan's day: that is how
    the reserve is released.
    """

    DTYPES: ClassVar[dict[str, Any]] = {
        "specialty": np.int32, "service": np.int64, "priority": np.int8, "arrival_day": np.int32,
        "count": np.int32,
    }  # fmt: skip

    specialty: I32 = field(default_factory=no_i32)
    service: I64 = field(default_factory=no_i64)
    priority: I8 = field(default_factory=no_i8)
    arrival_day: I32 = field(default_factory=no_i32)
    count: I32 = field(default_factory=no_i32)

    def __len__(self) -> int:
        return len(self.service)

    @classmethod
    def build(cls, **columns: Any) -> Expected:
        """Cast columns to the right types."""
        return cls(**_cast(cls, columns, len(columns["service"])))

    def scaled(self, percent: int) -> I64:
        """``count`` of each row times ``percent`` / 100, rounded so that each service's and priority's total is right.

        The running total over arrival days is rounded up, not each row: rows of one arrival would else never shrink
        and double at 101 %.
        """
        order = np.lexsort((self.arrival_day, self.priority, self.service, self.specialty))
        total = np.cumsum(self.count[order], dtype=np.int64)
        same = np.ones(len(order), np.bool_)
        for column in (self.specialty, self.service, self.priority):
            same[1:] &= column[order][1:] == column[order][:-1]
        first = np.flatnonzero(~same) if len(order) else order
        before = np.zeros(len(order), np.int64)
        before[first] = total[first - 1]
        total -= np.maximum.accumulate(before) if len(order) else before
        upto = -(-total * percent // 100)
        step = np.diff(upto, prepend=0)
        step[first] = upto[first]
        out = np.empty(len(order), np.int64)
        out[order] = step
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """One planning run. Raises ProblemError naming the field if shapes, types, keys or references are wrong."""

    as_of: date
    referrals: Referrals
    shortlists: Shortlists
    slots: Slots
    policy: Policy = field(default_factory=Policy)
    expected: Expected = field(default_factory=Expected)

    def __post_init__(self) -> None:
        from optimiser.validate import validate

        validate(self)

    def canonical(self) -> Problem:
        """The same problem sorted by key, services ascending in each shortlist; itself if it already is."""
        rows, slots = self.referrals, self.slots
        expected = _sort_expected(self.expected)
        if _ascending(rows.key) and _ascending(slots.key) and expected is self.expected and _sorted_lists(self):
            return self
        order = np.argsort(rows.key, kind="stable")
        return replace(
            self, referrals=rows.take(order), shortlists=self.shortlists.take(order),
            slots=slots.take(np.argsort(slots.key, kind="stable")), expected=expected,
        )  # fmt: skip

    def digest(self) -> str:
        """SHA-256 (hex) of the canonical problem: equal for equal input in whatever order."""
        me = self.canonical()
        sha = hashlib.sha256(me.as_of.isoformat().encode())
        sha.update(json.dumps(me.policy.to_dict(), sort_keys=True).encode())
        for part in (me.referrals, me.referrals.busy, me.shortlists, me.slots, me.expected):
            for name in part.DTYPES:
                sha.update(name.encode())
                sha.update(np.ascontiguousarray(getattr(part, name)).data)
        return sha.hexdigest()

    def with_policy(self, policy: Policy) -> Problem:
        """The same problem under another policy."""
        return replace(self, policy=policy)

    def only(self, rows: Array) -> Problem:
        """The same slots for a part of the referrals (indices or mask)."""
        at = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return replace(self, referrals=self.referrals.take(at), shortlists=self.shortlists.take(at))


def _cast(cls: Any, columns: dict[str, Any], n: int) -> dict[str, Any]:
    unknown = set(columns) - set(cls.DTYPES)
    if unknown:
        raise ProblemError(sorted(unknown)[0], f"no such column in {cls.__name__}")
    missing = set(cls.DTYPES) - set(columns)
    if missing:
        raise ProblemError(sorted(missing)[0], f"missing from {cls.__name__}")
    return {name: _column(columns[name], dtype, n) for name, dtype in cls.DTYPES.items()}


def _column(values: Any, dtype: Any, n: int) -> Array:
    """A copy of a column, or of one value n times."""
    made = np.array(values, dtype)
    return made if made.shape == (n,) else np.broadcast_to(made, (n,)).copy()


def _ascending(keys: I64) -> bool:
    return bool((keys[1:] > keys[:-1]).all())


def _sorted_lists(problem: Problem) -> bool:
    lists, busy = problem.shortlists, problem.referrals.busy
    if bool(within_rows(lists.service[1:] < lists.service[:-1], lists.indptr).any()):
        return False
    start, end = busy.start_minute, busy.end_minute
    sooner = (start[1:] < start[:-1]) | ((start[1:] == start[:-1]) & (end[1:] < end[:-1]))
    return not bool(within_rows(sooner, busy.indptr).any())


def _sort_expected(expected: Expected) -> Expected:
    columns = [getattr(expected, f.name) for f in fields(expected)]
    order = np.lexsort(columns[::-1])
    if np.array_equal(order, np.arange(len(order))):
        return expected
    return Expected(*(column[order] for column in columns))
