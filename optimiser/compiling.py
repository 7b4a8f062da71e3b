"""From a problem to shards: slots folded into half-day buckets, hard limits turned into ranges and masks.

A bucket is the slots of one service, day, part of the day and kind (what it offers, priorities, practitioner): for
every cost and rule they are alike, so the flow only decides how many places of it go to whom. A shard is all that
belongs to one specialty; no slot serves two, so the shards are solved apart without loss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from optimiser.arrays import I8, I32, I64, U8, U32, U64, Array, Bool, find, mix, ranges, take_rows
from optimiser.costs import check_range, day_cost, place_salt, tie_break, travel_cost, unplaced_cost
from optimiser.errors import PlanError
from optimiser.jit import kernel
from optimiser.policy import Policy
from optimiser.problem import Busy, Problem, Shortlists


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """B buckets in the order specialty, service, day, part; ``slot[indptr[b]:indptr[b + 1]]`` are slots of b."""

    specialty: I32
    service: I64
    provider: I64
    day: I32
    part: I8
    offers: U32
    priorities: U8
    practitioner: I64
    capacity: I64
    start: I64  # of the earliest slot
    end: I64  # of the latest one
    slot: I64  # slot indices, by start within each bucket
    indptr: I64
    of_slot: I64  # bucket of each slot, -1 if it may not be given (no place, or outside the horizon)


def fold(problem: Problem) -> Buckets:
    """Fold the free slots within notice and horizon into buckets. The problem must be canonical."""
    slots, policy = problem.slots, problem.policy
    usable = (slots.capacity > 0) & (slots.day >= policy.notice_days) & (slots.day <= policy.horizon_days)
    at = np.flatnonzero(usable)
    columns: tuple[Array, ...] = (
        slots.specialty[at], slots.service[at], slots.day[at], slots.part[at], slots.practitioner[at],
        slots.offers[at], slots.priorities[at],
    )  # fmt: skip
    order = np.lexsort((slots.key[at], slots.start_minute[at], *columns[::-1]))
    at, columns = at[order], tuple(c[order] for c in columns)
    fresh = np.ones(len(at), np.bool_)
    if len(at):
        fresh[1:] = np.any([c[1:] != c[:-1] for c in columns], axis=0)
    first = np.flatnonzero(fresh)
    one = at[first]
    of_slot = np.full(len(slots), -1, np.int64)
    of_slot[at] = np.cumsum(fresh) - 1
    return Buckets(
        slots.specialty[one], slots.service[one], slots.provider[one], slots.day[one], slots.part[one],
        slots.offers[one], slots.priorities[one], slots.practitioner[one],
        _reduce(np.add, slots.capacity[at].astype(np.int64), first),
        _reduce(np.minimum, slots.start_minute[at], first), _reduce(np.maximum, slots.end_minute[at], first),
        at, np.append(first, len(at)).astype(np.int64), of_slot,
    )  # fmt: skip


def _reduce(function: np.ufunc, values: I64, first: Array) -> I64:
    if len(first) == 0:
        return np.zeros(0, np.int64)
    return np.asarray(function.reduceat(values, first), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """One specialty, self-contained so that it can be sent to another process. Bucket indices are local."""

    specialty: int
    policy: Policy
    rows: I64  # indices of the referrals in the problem
    key: U64
    priority: I8
    waited: I32
    target: I32
    kind: I64  # row of ``table``
    table: I64  # [kinds, horizon + 1] cost of each day
    unplaced: I64
    needs: U32
    unsuitable: U32
    practitioner: I64
    busy: Busy
    entry_indptr: I64  # shortlist entries of each row
    entry_service: I32  # local service index
    entry_travel: Array  # int32; int64 where a way costs more
    entry_a: Array  # int32; buckets a:b lie in every window of the service, the patient and the policy
    entry_b: Array
    keep_row: I64  # pairs that earn the keep bonus (-1: not an eligible pair)
    keep_bucket: I64
    first_bucket: int  # global index of local bucket 0
    service: I64
    provider: I64
    day: I32
    part: I8
    offers: U32
    priorities: U8
    bucket_practitioner: I64
    capacity: I64
    start: I64
    end: I64
    salt: U64
    expected_supply: I64  # phantom rows follow the referrals
    expected_unplaced: I64
    expected_row: I64  # their columns: phantom index, bucket, cost
    expected_bucket: I64
    expected_cost: I64

    def __len__(self) -> int:
        return len(self.rows)

    def entry_row(self) -> I64:
        """Row of each shortlist entry."""
        return np.repeat(np.arange(len(self.rows), dtype=np.int64), np.diff(self.entry_indptr))

    def suits(self, row: I64, bucket: I64) -> Bool:
        """Whether each (row, bucket) meets priority, needs, times and practitioner; not window, not busy."""
        fine: Bool = (
            ((self.priorities[bucket] >> self.priority[row].astype(np.uint8)) & 1 == 1)
            & (self.needs[row] & ~self.offers[bucket] == 0)
            & ((self.unsuitable[row] >> self.part[bucket].astype(np.uint32)) & 1 == 0)
            & ((self.practitioner[row] == -1) | (self.practitioner[row] == self.bucket_practitioner[bucket]))
        )
        return fine

    def busy_at(self, row: I64, bucket: I64) -> Bool:
        """Whether a time the patient is busy overlaps the bucket's span."""
        out = np.zeros(len(row), np.bool_)
        count = np.diff(self.busy.indptr)[row]
        at = np.flatnonzero(count)
        if len(at) == 0:
            return out
        pair = np.repeat(at, count[at])
        time = ranges(self.busy.indptr[row[at]], count[at])
        clash = (self.busy.start_minute[time] < self.end[bucket[pair]]) & (
            self.busy.end_minute[time] > self.start[bucket[pair]]
        )
        out[pair[clash]] = True
        return out

    def tie(self, row: I64, bucket: I64) -> I64:
        """Tie-break of each pair."""
        return tie_break(self.policy, self.key[row], self.salt[bucket])

    def sample(self, one_in: int) -> Shard:
        """About one in so many of the referrals, and of the places of each service, spread over its days."""
        rows = np.flatnonzero(mix(self.key ^ np.uint64(len(self.key))) % np.uint64(one_in) == 0)
        indptr, at = take_rows(self.entry_indptr, rows)
        total = np.cumsum(self.capacity)
        none = np.zeros(0, np.int64)
        return replace(
            self, rows=self.rows[rows], key=self.key[rows], priority=self.priority[rows], waited=self.waited[rows],
            target=self.target[rows], kind=self.kind[rows], unplaced=self.unplaced[rows], needs=self.needs[rows],
            unsuitable=self.unsuitable[rows], practitioner=self.practitioner[rows], busy=self.busy.take(rows),
            entry_indptr=indptr, entry_service=self.entry_service[at], entry_travel=self.entry_travel[at],
            entry_a=self.entry_a[at], entry_b=self.entry_b[at],
            keep_row=none, keep_bucket=none, capacity=total // one_in - (total - self.capacity) // one_in,
            expected_supply=self.expected_supply // one_in,
        )  # fmt: skip

    def with_blocks(self, row: I64, start: I64, end: I64) -> Shard:
        """The shard with further busy times of some rows (local)."""
        blocked = replace(self, busy=self.busy.plus(row, start, end))
        gone = blocked.busy_at(blocked.keep_row, blocked.keep_bucket)
        return replace(blocked, keep_row=blocked.keep_row[~gone], keep_bucket=blocked.keep_bucket[~gone])


def shards_of(problem: Problem, buckets: Buckets) -> list[Shard]:
    """Every specialty that has referrals, in ascending order. The problem must be canonical."""
    return [make_shard(problem, buckets, specialty, rows) for specialty, rows in shard_rows(problem)]


def shard_rows(problem: Problem) -> list[tuple[int, I64]]:
    """Every specialty that has referrals, and their positions, both ascending: what ``make_shard`` takes one by one."""
    refs = problem.referrals
    order = np.argsort(refs.specialty, kind="stable")
    ids, first = np.unique(refs.specialty[order], return_index=True)
    bounds = np.append(first, len(order))
    return [(int(ids[i]), order[bounds[i] : bounds[i + 1]]) for i in range(len(ids))]


def make_shard(problem: Problem, buckets: Buckets, specialty: int, rows: I64) -> Shard:
    """The shard of a specialty and its referrals ``rows`` (positions, ascending). The problem must be canonical."""
    policy, refs = problem.policy, problem.referrals
    low, high = (int(np.searchsorted(buckets.specialty, specialty, side)) for side in ("left", "right"))
    mine = slice(low, high)
    kinds, kind = _kinds(refs.priority[rows], refs.waited_days[rows], refs.target_days[rows])
    check_range(policy, refs.waited_days[rows], refs.target_days[rows])
    days = np.arange(policy.horizon_days + 1, dtype=np.int64)
    table = day_cost(policy, kinds[0][:, None], kinds[1][:, None], kinds[2][:, None], days[None, :])
    shard = Shard(
        specialty=specialty,
        policy=policy,
        rows=rows,
        key=refs.key[rows].astype(np.uint64),
        priority=refs.priority[rows],
        waited=refs.waited_days[rows],
        target=refs.target_days[rows],
        kind=kind,
        table=table,
        unplaced=unplaced_cost(policy, refs.priority[rows], refs.waited_days[rows], refs.target_days[rows]),
        needs=refs.needs[rows],
        unsuitable=refs.unsuitable[rows],
        practitioner=refs.practitioner[rows],
        busy=refs.busy.take(rows),
        keep_row=np.zeros(0, np.int64),
        keep_bucket=np.zeros(0, np.int64),
        first_bucket=low,
        service=buckets.service[mine],
        provider=buckets.provider[mine],
        day=buckets.day[mine],
        part=buckets.part[mine],
        offers=buckets.offers[mine],
        priorities=buckets.priorities[mine],
        bucket_practitioner=buckets.practitioner[mine],
        capacity=buckets.capacity[mine],
        start=buckets.start[mine],
        end=buckets.end[mine],
        salt=place_salt(buckets.service[mine], buckets.day[mine]),
        **_entries(problem, buckets, rows, mine),
        **_expected(problem, buckets, specialty, mine),
    )
    return _with_keeps(shard, problem, buckets)


def _kinds(priority: I8, waited: I32, target: I32) -> tuple[tuple[I64, I64, I64], I64]:
    """The different combinations of priority, days waited and target, and which of them each referral is."""
    packed = (priority.astype(np.int64) << 40) | (waited.astype(np.int64) << 20) | target
    kinds, kind = np.unique(packed, return_inverse=True)
    low = (1 << 20) - 1
    return (kinds >> 40, (kinds >> 20) & low, kinds & low), kind.astype(np.int64)


class Days(NamedTuple):
    """Services of some neighbouring buckets, ascending, and of each and every day the first of its buckets by then."""

    services: I64
    upto: I32  # [services, horizon + 2]


def days_of(buckets: Buckets, mine: slice, policy: Policy) -> Days:
    """The days of one specialty's buckets."""
    services, starts = np.unique(buckets.service[mine], return_index=True)
    bounds = np.append(starts, mine.stop - mine.start)
    width = policy.horizon_days + 2
    place = np.repeat(np.arange(len(services)), np.diff(bounds)) * width + buckets.day[mine]
    upto = np.searchsorted(place, np.arange(len(services) * width)).astype(np.int32).reshape(len(services), width)
    return Days(services, upto)


class Entries(NamedTuple):
    """Shortlist entries that reach any bucket, CSR rows, with their windows clipped to every limit."""

    indptr: I64
    service: I32  # position in ``Days``
    km: Array
    a: I32  # the buckets are a:b, counted as ``Days`` counts
    b: I32


def entries(
    policy: Policy, days: Days, indptr: I64, lists: Shortlists, earliest_day: I32, latest_day: I32, rows: I64
) -> Entries:
    """The entries of some rows of shortlists at ``indptr``, whose referrals can be booked from one day to another."""
    most = int((indptr[rows + 1] - indptr[rows]).sum())
    out_indptr = np.zeros(len(rows) + 1, np.int64)
    service, a, b = np.empty((3, most), np.int32)
    km = np.empty(most, np.float32)
    count = _clip(
        rows, indptr, lists.service, lists.distance_km, lists.first_day, lists.last_day, earliest_day, latest_day,
        policy.notice_days, policy.horizon_days, days.services, days.upto, out_indptr, service, a, b, km,
    )  # fmt: skip
    return Entries(out_indptr, _trimmed(service, count), km[:count], _trimmed(a, count), _trimmed(b, count))


def _entries(problem: Problem, buckets: Buckets, rows: I64, mine: slice) -> dict[str, Any]:
    """The columns of a shard that hold its rows' entries."""
    refs, lists, policy = problem.referrals, problem.shortlists, problem.policy
    days = days_of(buckets, mine, policy)
    found = entries(policy, days, lists.indptr, lists, refs.earliest_day, refs.latest_day, rows)
    travel = travel_cost(policy, found.km)
    if len(travel) == 0 or int(travel.max()) < 2**31:
        travel = travel.astype(np.int32)
    return {
        "entry_indptr": found.indptr,
        "entry_service": found.service,
        "entry_travel": travel,
        "entry_a": found.a,
        "entry_b": found.b,
    }


def _trimmed(values: I32, count: int) -> I32:
    return values if count == len(values) else values[:count].copy()


@kernel
def _clip(
    rows: I64, indptr: I64, listed: I64, distance_km: Array, first_day: I32, last_day: I32, earliest_day: I32,
    latest_day: I32, notice: int, horizon: int, services: I64, upto: I32, out_indptr: I64, out_service: I32,
    out_a: I32, out_b: I32, out_km: Array,
) -> int:  # fmt: skip
    """Write the entries that reach a bucket, row by row; how many there are.

    ``upto``: of each service and day, the first of its buckets from that day on.
    """
    count = 0
    for at, row in enumerate(rows):
        for entry in range(indptr[row], indptr[row + 1]):
            service = np.searchsorted(services, listed[entry])
            if service == len(services) or services[service] != listed[entry]:
                continue
            low = max(first_day[entry], earliest_day[row], notice)
            high = min(last_day[entry], latest_day[row], horizon)
            if low > high:
                continue
            a, b = upto[service, low], upto[service, high + 1]
            if b > a:
                out_service[count], out_a[count], out_b[count] = service, a, b
                out_km[count] = distance_km[entry]
                count += 1
        out_indptr[at + 1] = count
    return count


def _with_keeps(shard: Shard, problem: Problem, buckets: Buckets) -> Shard:
    """Find the pairs that earn the keep bonus: the bucket of the slot held before, if it is still eligible."""
    if len(shard.capacity) == 0:
        return shard
    slot = find(problem.slots.key, problem.referrals.previous_slot[shard.rows])
    bucket = np.where(slot >= 0, buckets.of_slot[slot], -1) - shard.first_bucket
    row = np.flatnonzero((slot >= 0) & (bucket >= 0) & (bucket < len(shard.capacity)))
    if len(row) == 0:
        return shard
    bucket = bucket[row]
    counts = np.diff(shard.entry_indptr)[row]
    pair = np.repeat(np.arange(len(row)), counts)
    at = ranges(shard.entry_indptr[row], counts)
    inside = (shard.entry_a[at] <= bucket[pair]) & (bucket[pair] < shard.entry_b[at])
    row, bucket = row[pair][inside], bucket[pair][inside]
    fine = shard.suits(row, bucket) & ~shard.busy_at(row, bucket)
    return replace(shard, keep_row=row[fine], keep_bucket=bucket[fine])


def expected_rows(problem: Problem, specialty: int) -> tuple[I64, I64]:
    """Positions of the forecasts of a specialty that its shard has as phantom rows, and how many each stands for."""
    expected = problem.expected
    count = expected.scaled(problem.policy.expected_percent)
    at = np.flatnonzero((expected.specialty == specialty) & (count > 0) & (expected.arrival_day > 0))
    return at, count[at]


def _expected(problem: Problem, buckets: Buckets, specialty: int, mine: slice) -> dict[str, Any]:
    """Phantom rows of the specialty and all of their columns (few: one service each)."""
    expected, policy = problem.expected, problem.policy
    at, count = expected_rows(problem, specialty)
    day, priority = expected.arrival_day[at].astype(np.int64), expected.priority[at]
    target = np.asarray(policy.target_days, np.int64)[priority]
    zero = np.zeros(len(at), np.int64)
    a = np.searchsorted(buckets.service[mine], expected.service[at])
    b = np.searchsorted(buckets.service[mine], expected.service[at], side="right")
    row = np.repeat(np.arange(len(at), dtype=np.int64), b - a)
    bucket = ranges(a, b - a)
    after = buckets.day[mine][bucket] - day[row]
    open_to = (buckets.priorities[mine][bucket] >> priority[row].astype(np.uint8)) & 1 == 1
    fine = (after > 0) & open_to
    row, bucket, after = row[fine], bucket[fine], after[fine]
    cost = day_cost(policy, priority[row], zero[row], target[row], after)
    return {
        "expected_supply": count,
        "expected_unplaced": unplaced_cost(policy, priority, zero, target),
        "expected_row": row,
        "expected_bucket": bucket,
        "expected_cost": cost,
    }


def check_ceiling(shard: Shard) -> None:
    """Refuse weights that the flow solver's 64-bit costs can't hold: 2^63 / (4.6 nodes), measured."""
    nodes = len(shard.rows) + len(shard.expected_supply) + len(shard.capacity) + 2
    top = max((int(c.max()) for c in (shard.unplaced, shard.expected_unplaced) if len(c)), default=0)
    ceiling = int(2**63 / (4.6 * nodes))
    if top + shard.policy.keep > ceiling:
        raise PlanError(
            f"policy: a cost of {top + shard.policy.keep} is too large for specialty {shard.specialty} "
            f"with {nodes} nodes (at most {ceiling}): lower the breach or lateness weights"
        )
