"""What one more place would gain, from a plan: its lowest prices, where the plan's own are the highest.

Prices that prove a plan optimal are seldom the only ones. The plan's are the highest: what is lost if a place vanishes.
The lowest say what is gained if one is added, and every pair of prices in between is proof as well (Ahuja, Magnanti,
Orlin, *Network Flows*, 1993, ch. 9). They are found from below: a bucket must cost at least what its best visitor from
elsewhere would save by coming, and whoever sits there must be worth that to others in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from optimiser.arrays import I64, Bool, find, indptr_of
from optimiser.compiling import Buckets, Shard, expected_rows, fold, make_shard, shard_rows
from optimiser.costs import unplaced_cost
from optimiser.errors import PlanError
from optimiser.fairness import slots_of
from optimiser.jit import kernel
from optimiser.pairs import Pairs, allowed, pairs_of, tie_of
from optimiser.plan import Plan
from optimiser.problem import Problem


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
    highest = plan.slot_price[buckets.slot[buckets.indptr[:-1]]]
    price = np.where(_reserved(buckets, plan) > 0, highest, 0)
    slot = slots_of(problem, plan)
    seat = np.where(slot >= 0, buckets.of_slot[slot], -1) if len(buckets.of_slot) else slot
    expected = _unplaced(problem)
    for shard in _shards(problem, buckets, plan):
        here = slice(shard.first_bucket, shard.first_bucket + len(shard.capacity))
        lowest, most = price[here], highest[here]
        expected[expected_rows(problem, shard.specialty)[0]] = _of_forecasts(shard, most, lowest)
        if not len(shard) or not len(lowest):
            continue
        mine = np.where(seat[shard.rows] >= 0, seat[shard.rows] - shard.first_bucket, -1)
        order = np.argsort(mine, kind="stable").astype(np.int64)
        sitting = indptr_of(np.bincount(mine[mine >= 0], minlength=len(lowest))) + int((mine < 0).sum())
        if not _raise_prices(pairs_of(shard), plan.cost[shard.rows], mine, order, sitting, most, lowest):
            raise PlanError("the plan's prices prove nothing: somebody would save more elsewhere than a place costs")
    return Values(price, plan.cost + np.append(price, 0)[seat], expected)


def _reserved(buckets: Buckets, plan: Plan) -> I64:
    """Places of each bucket kept for arrivals to come."""
    out = np.zeros(len(buckets.capacity), np.int64)
    at = np.flatnonzero(buckets.of_slot >= 0)
    np.add.at(out, buckets.of_slot[at], plan.reserved[at])
    return out


def _unplaced(problem: Problem) -> I64:
    """What each forecast costs without a place."""
    policy, priority = problem.policy, problem.expected.priority
    target = np.asarray(policy.target_days, np.int32)[priority]
    return unplaced_cost(policy, priority, np.zeros(len(priority), np.int32), target)


def _shards(problem: Problem, buckets: Buckets, plan: Plan) -> Iterator[Shard]:
    """Every specialty with the plan's blocks, those that only forecasts have included; one at a time."""
    blocks, nobody = plan.blocks, np.zeros(0, np.int64)
    blocked = find(problem.referrals.key, blocks.referral)
    listed = dict(shard_rows(problem))
    for specialty in sorted(listed.keys() | set(problem.expected.specialty.tolist())):
        shard = make_shard(problem, buckets, specialty, listed.get(specialty, nobody))
        local = find(shard.rows, blocked)
        at = local >= 0
        yield shard.with_blocks(local[at], blocks.start_minute[at], blocks.end_minute[at])


def _of_forecasts(shard: Shard, highest: I64, price: I64) -> I64:
    """Values of the shard's forecasts at the plan's prices; ``price`` rises to at least what they would save there."""
    value = shard.expected_unplaced.copy()
    row, bucket, cost = shard.expected_row, shard.expected_bucket, shard.expected_cost
    np.minimum.at(value, row, cost + highest[bucket])
    np.maximum.at(price, bucket, value[row] - cost)
    return value


@kernel
def _raise_prices(p: Pairs, cost: I64, seat: I64, order: I64, sitting: I64, highest: I64, price: I64) -> bool:
    """Raise ``price`` until nobody would save by going elsewhere (label correcting, first in, first out).

    ``order`` are the rows by seat, those of bucket b at ``sitting[b]:sitting[b + 1]``. False if a price would have to
    rise above ``highest``: then the plan is not optimal.
    """
    buckets = len(price)
    queue, waiting = np.empty(buckets + 1, np.int64), np.zeros(buckets, np.bool_)
    head = tail = 0
    for row in range(len(seat)):
        paid = price[seat[row]] if seat[row] >= 0 else 0
        tail = _visit(p, row, cost[row] + paid, highest, price, queue, tail, waiting)
        if tail < 0:
            return False
    while head != tail:
        bucket = queue[head]
        head = (head + 1) % (buckets + 1)
        waiting[bucket] = False
        for at in range(sitting[bucket], sitting[bucket + 1]):
            row = order[at]
            tail = _visit(p, row, cost[row] + price[bucket], highest, price, queue, tail, waiting)
            if tail < 0:
                return False
    return True


@kernel
def _visit(
    p: Pairs, row: int, value: int, highest: I64, price: I64, queue: I64, tail: int, waiting: Bool
) -> int:  # fmt: skip
    """Raise the price of every bucket where a referral would save more than it costs; the queue's new end, or -1."""
    kept = p.keep_bucket[row]
    if kept >= 0:
        tail = _raise(kept, value - p.keep_cost[row], highest, price, queue, tail, waiting)
    cost = p.table[p.kind[row]]
    for entry in range(p.indptr[row], p.indptr[row + 1]):
        for bucket in range(p.first[entry], p.last[entry]):
            saved = value - p.travel[entry] - cost[p.day[bucket]]
            if tail < 0 or saved <= 0:
                break  # days ascend, and so does what they cost
            if saved > price[bucket] and bucket != kept and allowed(p, row, bucket):
                tail = _raise(bucket, saved - tie_of(p, row, bucket), highest, price, queue, tail, waiting)
    return tail


@kernel
def _raise(bucket: int, to: int, highest: I64, price: I64, queue: I64, tail: int, waiting: Bool) -> int:
    """Raise one price, if it is lower, and put the bucket in the queue; the queue's new end, or -1."""
    if to <= price[bucket]:
        return tail
    if to > highest[bucket]:
        return -1
    price[bucket] = to
    if not waiting[bucket]:
        waiting[bucket] = True
        queue[tail] = bucket
        tail = (tail + 1) % len(queue)
    return tail
