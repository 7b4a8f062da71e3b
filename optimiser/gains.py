"""What one more place would gain, from a plan: its lowest prices, where the plan's own are the highest.

Prices that prove a plan optimal are seldom the only ones. The plan's are the highest: what is lost if a place vanishes.
The lowest say what is gained if one is added, and every pair of prices in between is proof as well (Ahuja, Magnanti,
Orlin, *Network Flows*, 1993, ch. 9). They are found from below: a bucket must cost at least what its best visitor from
elsewhere would save by coming, and whoever sits there must be worth that to others in turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from optimiser.arrays import I64, Array, find, indptr_of, ranges
from optimiser.compiling import Buckets, fold
from optimiser.costs import day_cost, place_salt, travel_cost, unplaced_cost
from optimiser.errors import PlanError
from optimiser.fairness import slots_of
from optimiser.plan import Plan
from optimiser.problem import Problem

_WIDTH = 4096  # more than any horizon


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """Lowest prices of the buckets, and what the plan pays for each referral and each forecast at these prices."""

    price: I64
    referral: I64
    expected: I64


def values(problem: Problem, plan: Plan) -> Values:
    """The lowest prices. Places reserved keep the plan's price: it is not stated for whom each of them is.

    Raises PlanError for a plan that is not certified, or of another problem.
    """
    problem = problem.canonical()
    if not plan.certified:
        raise PlanError("a plan that is not certified puts no value on a place")
    if problem.digest() != plan.digest:
        raise PlanError("the plan was made from another problem")
    buckets = fold(problem)
    highest = _of_buckets(buckets, plan.slot_price)
    expected, price = _expected(problem, plan, buckets, highest)
    slot = slots_of(problem, plan)
    seat = np.where(slot >= 0, buckets.of_slot[slot], -1) if len(buckets.of_slot) else slot
    if len(highest) and len(seat):
        order = np.argsort(seat, kind="stable").astype(np.int64)
        sitting = indptr_of(np.bincount(seat[seat >= 0], minlength=len(highest))) + int((seat < 0).sum())
        if not _raise_prices(_rows(problem, plan, seat), _places(problem, buckets), order, sitting, highest, price):
            raise PlanError("the plan's prices prove nothing: somebody would save more elsewhere than a place costs")
    return Values(price, plan.cost + np.append(price, 0)[seat], expected)


def _of_buckets(buckets: Buckets, slot_values: I64) -> I64:
    """One value for each bucket, from values of slots that agree within it."""
    return slot_values[buckets.slot[buckets.indptr[:-1]]] if len(buckets.capacity) else np.zeros(0, np.int64)


def _expected(problem: Problem, plan: Plan, buckets: Buckets, highest: I64) -> tuple[I64, I64]:
    """Values of the forecasts at the plan's prices, and the prices to start from: theirs, and 0 elsewhere.

    The places they take keep the plan's price; elsewhere a bucket costs at least what they would save there.
    """
    policy, coming = problem.policy, problem.expected
    target = np.asarray(policy.target_days, np.int32)[coming.priority]
    waited = np.zeros(len(coming), np.int32)
    value = unplaced_cost(policy, coming.priority, waited, target)
    reserved = np.zeros(len(highest), np.int64)
    at = np.flatnonzero(buckets.of_slot >= 0)
    np.add.at(reserved, buckets.of_slot[at], plan.reserved[at])
    price = np.where(reserved > 0, highest, 0)
    row, bucket = _reach(problem, buckets)
    after = buckets.day[bucket].astype(np.int64) - coming.arrival_day[row]
    fine = (after > 0) & ((buckets.priorities[bucket] >> coming.priority[row].astype(np.uint8)) & 1 == 1)
    fine &= (coming.arrival_day[row] > 0) & (coming.scaled(policy.expected_percent)[row] > 0)
    row, bucket, after = row[fine], bucket[fine], after[fine]
    cost = day_cost(policy, coming.priority[row], waited[row], target[row], after)
    np.minimum.at(value, row, cost + highest[bucket])
    np.maximum.at(price, bucket, value[row] - cost)
    return value, price


def _reach(problem: Problem, buckets: Buckets) -> tuple[I64, I64]:
    """Every (forecast, bucket of its service and specialty)."""
    coming = problem.expected
    home = _homes(buckets)
    a, b = (np.searchsorted(home.of_bucket, home.find(coming.specialty, coming.service), s) for s in ("left", "right"))
    row = np.repeat(np.arange(len(coming), dtype=np.int64), b - a)
    return row, ranges(a, b - a)


@dataclass(frozen=True, slots=True, eq=False)
class _Homes:
    """Pairs of specialty and service that have buckets, ascending; ``of_bucket`` ascends too."""

    specialty: I64
    service: I64
    of_bucket: I64

    def find(self, specialty: Array, service: Array) -> I64:
        """Numbers of these pairs, -1 where they have no bucket."""
        services = np.unique(self.service)
        keys = self.specialty * len(services) + find(services, self.service)
        at = find(services, service.astype(np.int64))
        return np.where(at >= 0, find(keys, specialty.astype(np.int64) * len(services) + at), -1)


def _homes(buckets: Buckets) -> _Homes:
    pairs = np.stack((buckets.specialty.astype(np.int64), buckets.service))
    fresh = np.ones(pairs.shape[1], np.bool_)
    fresh[1:] = (pairs[:, 1:] != pairs[:, :-1]).any(axis=0)
    first = np.flatnonzero(fresh)
    return _Homes(pairs[0][first], pairs[1][first], np.asarray(np.cumsum(fresh) - 1, np.int64))


def _rows(problem: Problem, plan: Plan, seat: I64) -> tuple[Array, ...]:
    """What the kernel needs to know of each referral: cost, seat, day costs, limits, busy times."""
    refs, policy = problem.referrals, problem.policy
    kinds, kind = np.unique(np.stack((refs.priority, refs.waited_days, refs.target_days)), axis=1, return_inverse=True)
    days = np.arange(policy.horizon_days + 1, dtype=np.int64)
    table = day_cost(policy, kinds[0][:, None], kinds[1][:, None], kinds[2][:, None], days[None, :])
    blocks = plan.blocks
    busy = refs.busy.plus(find(refs.key, blocks.referral), blocks.start_minute, blocks.end_minute)
    return (
        plan.cost, seat, kind.astype(np.int64).ravel(), table, refs.priority, refs.needs, refs.unsuitable,
        refs.practitioner, refs.key.astype(np.uint64), busy.indptr, busy.start_minute, busy.end_minute,
    )  # fmt: skip


def _places(problem: Problem, buckets: Buckets) -> tuple[Array, ...]:
    """Shortlist entries with their range of buckets and way there, then what the kernel needs to know of buckets."""
    refs, lists, policy = problem.referrals, problem.shortlists, problem.policy
    row = np.repeat(np.arange(len(refs), dtype=np.int64), np.diff(lists.indptr))
    home = _homes(buckets)
    where = home.find(refs.specialty[row], lists.service)
    first = np.maximum(np.maximum(lists.first_day, refs.earliest_day[row]), policy.notice_days)
    last = np.minimum(np.minimum(lists.last_day, refs.latest_day[row]), policy.horizon_days)
    place = home.of_bucket * _WIDTH + buckets.day
    a = np.searchsorted(place, where * _WIDTH + first)
    b = np.where((where >= 0) & (first <= last), np.searchsorted(place, where * _WIDTH + last, side="right"), a)
    held = find(problem.slots.key, refs.previous_slot)
    kept = np.where(held >= 0, buckets.of_slot[held], -1) if len(buckets.of_slot) else held
    return (
        lists.indptr, a.astype(np.int64), b.astype(np.int64), travel_cost(policy, lists.distance_km), kept,
        buckets.day, buckets.part, buckets.offers, buckets.priorities, buckets.practitioner, buckets.start,
        buckets.end, place_salt(buckets.service, buckets.day),
        np.array([policy.keep, max(policy.tie_break, 1)], np.int64),
    )  # fmt: skip


@numba.njit(cache=True)
def _mixed(value: np.uint64) -> np.uint64:
    """As ``arrays.mix``."""
    value += np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@numba.njit(cache=True)
def _raise_prices(
    rows: tuple[Array, ...], places: tuple[Array, ...], order: I64, sitting: I64, highest: I64, price: I64
) -> bool:
    """Raise ``price`` until nobody would save by going elsewhere (label correcting, first in, first out).

    ``order`` are the rows by seat, those of bucket b at ``sitting[b]:sitting[b + 1]``. False if a price would have to
    rise above ``highest``: then the plan is not optimal.
    """
    seat = rows[1]
    buckets = len(price)
    queue, waiting = np.empty(buckets + 1, np.int64), np.zeros(buckets, np.bool_)
    head = tail = 0
    for i in range(len(seat)):
        paid = price[seat[i]] if seat[i] >= 0 else 0
        tail = _visit(i, paid, rows, places, highest, price, queue, tail, waiting)
        if tail < 0:
            return False
    while head != tail:
        bucket = queue[head]
        head = (head + 1) % (buckets + 1)
        waiting[bucket] = False
        for at in range(sitting[bucket], sitting[bucket + 1]):
            tail = _visit(order[at], price[bucket], rows, places, highest, price, queue, tail, waiting)
            if tail < 0:
                return False
    return True


@numba.njit(cache=True)
def _visit(
    i: int, paid: int, rows: tuple[Array, ...], places: tuple[Array, ...], highest: I64, price: I64, queue: I64,
    tail: int, waiting: Array,
) -> int:  # fmt: skip
    """Raise the price of every bucket where referral i would save more than it costs; the queue's new end, or -1."""
    cost, _, kind, table = rows[0], rows[1], rows[2], rows[3]
    indptr, a, b, way, kept, day = places[0], places[1], places[2], places[3], places[4], places[5]
    value = cost[i] + paid
    for entry in range(indptr[i], indptr[i + 1]):
        for bucket in range(a[entry], b[entry]):
            saved = value - way[entry] - table[kind[i], day[bucket]]
            # Days ascend, and so does what they cost: from here on nothing is saved, but where the bonus is.
            if saved <= 0 and not a[entry] <= kept[i] < b[entry]:
                break
            if bucket == kept[i]:
                saved += places[13][0]
            if saved <= price[bucket] or not _suits(i, bucket, rows, places):
                continue
            saved -= np.int64(_mixed(rows[8][i] ^ places[12][bucket]) % np.uint64(places[13][1]))
            if saved <= price[bucket]:
                continue
            if saved > highest[bucket]:
                return -1
            price[bucket] = saved
            if not waiting[bucket]:
                waiting[bucket] = True
                queue[tail] = bucket
                tail = (tail + 1) % len(queue)
    return tail


@numba.njit(cache=True)
def _suits(i: int, bucket: int, rows: tuple[Array, ...], places: tuple[Array, ...]) -> bool:
    """Whether the bucket meets every limit of the referral but its window."""
    priority, needs, unsuitable, practitioner = rows[4][i], rows[5][i], rows[6][i], rows[7][i]
    part, offers, priorities, theirs = places[6][bucket], places[7][bucket], places[8][bucket], places[9][bucket]
    if (priorities >> priority) & 1 == 0 or needs & ~offers != 0 or (unsuitable >> np.uint32(part)) & 1 == 1:
        return False
    if practitioner != -1 and practitioner != theirs:
        return False
    for at in range(rows[9][i], rows[9][i + 1]):
        if rows[10][at] < places[11][bucket] and rows[11][at] > places[10][bucket]:
            return False
    return True
